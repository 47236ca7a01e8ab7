import { useState } from "react";
import { count } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";
import { useJobPages } from "../api/jobs";

const WORDS: Record<string, string> = {
  stored: "stored",
  unchanged: "unchanged",
  skipped: "left out",
  removed: "removed",
  failed: "failed",
  queued: "waiting",
};

/** The pages of a job by what became of them, each with its reason where nothing was stored. */
export function JobPages({ jobId, open }: { jobId: string; open: boolean }) {
  const [state, setState] = useState("");
  const { data, error, refetch } = useJobPages(jobId, state, open);
  if (!open) return null;
  if (error)
    return <ErrorNote error={error} title="The pages could not be read." onRetry={() => void refetch()} />;
  if (!data) return <Skeleton rows={3} shape="h-6" label="Loading the pages" />;
  const states = Object.keys(WORDS).filter((name) => data.counts[name]);
  if (states.length === 0) return <p className="mt-2 text-sm text-soft">No page was reached.</p>;
  return (
    <div className="mt-3 space-y-3">
      <label className="flex items-center gap-2 text-sm text-soft">
        Show
        <select
          className="input min-h-9! w-auto! py-1! text-sm"
          value={state}
          onChange={(event) => setState(event.target.value)}
        >
          <option value="">all pages</option>
          {states.map((name) => (
            <option key={name} value={name}>
              {WORDS[name]} ({count(data.counts[name] ?? 0)})
            </option>
          ))}
        </select>
      </label>
      <ul className="max-h-96 space-y-2 overflow-auto rounded-xl bg-sunken px-4 py-3 text-[0.9375rem]">
        {data.pages.map((page) => (
          <li key={page.url} className="break-words">
            <span className="mr-2 inline-block w-20 text-sm text-soft">
              {WORDS[page.state] ?? page.state}
            </span>
            <span className="font-mono text-[0.8125rem]">{page.url}</span>
            {page.reason?.error && (
              <p className="pl-[5.75rem]">
                {page.reason.error}
                {page.reason.next_step && <span className="text-soft"> {page.reason.next_step}</span>}
              </p>
            )}
          </li>
        ))}
      </ul>
      {data.total > data.pages.length && (
        <p className="text-sm text-soft">
          The first {count(data.pages.length)} of {count(data.total)}.
        </p>
      )}
    </div>
  );
}
