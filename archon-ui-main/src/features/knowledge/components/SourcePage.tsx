import { ArrowLeft, ExternalLink, Pencil, RefreshCw, Trash2 } from "lucide-react";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { shortUrl, webUrl } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Page } from "@/shared/ui/Page";
import { Skeleton } from "@/shared/ui/Skeleton";
import type { SourceDetail } from "../api/schemas";
import { useSource } from "../api/source";
import { useRefresh } from "../api/sources";
import { CodeExamples } from "./CodeExamples";
import { DeleteSource } from "./DeleteSource";
import { EditSource } from "./EditSource";
import { PageList } from "./PageList";
import { ScheduleControl } from "./ScheduleControl";
import { SourceFacts } from "./SourceFacts";
import { SourceProblems } from "./SourceProblems";
import { isFile, titleOf } from "./SourceRow";

/** One source: what is known of it, and its pages. */
export function SourcePage() {
  const { id = "" } = useParams();
  const { data: source, error, refetch } = useSource(id);
  const back = <BackLink to="/knowledge">Knowledge</BackLink>;
  if (source) return <SourceView source={source} back={back} />;
  return (
    <Page title="Source" above={back}>
      {error && (
        <ErrorNote error={error} title="The source could not be read." onRetry={() => void refetch()} />
      )}
      {source === null && <p>There is no such source (any more).</p>}
      {source === undefined && !error && <Skeleton rows={5} shape="h-12" label="Loading the source" />}
    </Page>
  );
}

function SourceView({ source, back }: { source: SourceDetail; back: React.ReactNode }) {
  const [deleting, setDeleting] = useState(false);
  const [editing, setEditing] = useState(false);
  const navigate = useNavigate();
  const refresh = useRefresh();
  const address = webUrl(source.url);
  return (
    <Page
      title={titleOf(source)}
      above={back}
      lead={
        address && (
          <a
            href={address}
            target="_blank"
            rel="noopener noreferrer"
            className="link inline-flex items-center gap-1.5"
          >
            {shortUrl(address)} <ExternalLink aria-label="opens in a new tab" className="size-3.5" />
          </a>
        )
      }
      actions={
        <div className="flex flex-wrap gap-2">
          <Button onClick={() => setEditing(true)}>
            <Pencil aria-hidden className="size-4" /> Edit
          </Button>
          {!isFile(source) && (
            <Button
              busy={refresh.isPending}
              onClick={() => refresh.mutate(source, { onSuccess: () => navigate("/knowledge") })}
            >
              <RefreshCw aria-hidden className="size-4" /> Refresh
            </Button>
          )}
          <Button onClick={() => setDeleting(true)}>
            <Trash2 aria-hidden className="size-4" /> Delete
          </Button>
        </div>
      }
    >
      {refresh.error && (
        <ErrorNote error={refresh.error} title="The refresh did not start." className="mb-5" />
      )}
      <SourceFacts source={source} />
      {!isFile(source) && <ScheduleControl sourceId={source.source_id} />}
      <SourceProblems source={source} />
      <CodeExamples sourceId={source.source_id} total={source.code_examples_count} />
      <PageList sourceId={source.source_id} />
      <EditSource source={source} open={editing} onClose={() => setEditing(false)} />
      <DeleteSource
        source={deleting ? source : null}
        onClose={() => setDeleting(false)}
        onDeleted={() => navigate("/knowledge")}
      />
    </Page>
  );
}

/** The way back, above a title. */
export function BackLink({ to, children }: { to: string; children: React.ReactNode }) {
  return (
    <Link
      to={to}
      className="mb-3 inline-flex items-center gap-1.5 rounded text-[0.9375rem] text-soft hover:text-ink"
    >
      <ArrowLeft aria-hidden className="size-4" /> {children}
    </Link>
  );
}
