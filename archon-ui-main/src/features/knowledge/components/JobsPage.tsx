import { History } from "lucide-react";
import { useState } from "react";
import { plural } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { EmptyState } from "@/shared/ui/EmptyState";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Page } from "@/shared/ui/Page";
import { Skeleton } from "@/shared/ui/Skeleton";
import { useJobs } from "../api/jobs";
import { JobRow } from "./JobRow";
import { BackLink } from "./SourcePage";

/** All work there was: what it stored, left, removed and could not read, and why. */
export function JobsPage() {
  const [page, setPage] = useState(1);
  const { data, error, refetch } = useJobs(page);
  return (
    <Page
      title="History"
      lead="What was read, refreshed and embedded, and what became of each page."
      above={<BackLink to="/knowledge">Knowledge</BackLink>}
    >
      {error && (
        <ErrorNote error={error} title="The history could not be read." onRetry={() => void refetch()} />
      )}
      {!data && !error && <Skeleton rows={5} shape="h-16" label="Loading the history" />}
      {data?.total === 0 && (
        <div className="card">
          <EmptyState Icon={History} title="Nothing was done yet">
            <p>Crawls, uploads and refreshes are listed here with their results.</p>
          </EmptyState>
        </div>
      )}
      {data && data.total > 0 && (
        <ul className="space-y-3">
          {data.jobs.map((job) => (
            <JobRow key={job.id} job={job} />
          ))}
        </ul>
      )}
      {data && data.pages > 1 && (
        <nav aria-label="Pages of the history" className="mt-5 flex items-center gap-3">
          <Button small disabled={page === 1} onClick={() => setPage(page - 1)}>
            Newer
          </Button>
          <span className="text-sm text-soft">
            {page} of {data.pages}, {plural(data.total, "job")}
          </span>
          <Button small disabled={page >= data.pages} onClick={() => setPage(page + 1)}>
            Older
          </Button>
        </nav>
      )}
    </Page>
  );
}
