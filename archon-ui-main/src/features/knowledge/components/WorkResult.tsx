import { Link } from "react-router";
import { plural } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import type { PageFailure, Progress } from "../api/schemas";
import { outcomeSentence } from "../words";
import { Remarks } from "./Remarks";

const OPEN_UP_TO = 3;

/** What an ended piece of work stored, left unchanged and could not read, with each reason. */
export function WorkResult({ progress }: { progress: Progress }) {
  const { outcome, detail, status, sourceId } = progress;
  const failed = status === "failed" || status === "error";
  return (
    <div className="mt-3 space-y-3">
      {failed && (
        <ErrorNote
          error={detail ?? new Error(progress.error ?? progress.message ?? "No reason was given.")}
        />
      )}
      {outcome && <p>{outcomeSentence(outcome, progress.details?.embeddingsReused)}</p>}
      <Remarks lines={progress.remarks} />
      <Reasons word="failure" pages={outcome?.failures ?? []} />
      <Reasons word="notice" pages={outcome?.notices ?? []} />
      {!failed && sourceId && (
        <Link to={`/sources/${encodeURIComponent(sourceId)}`} className="link">
          See what was stored
        </Link>
      )}
    </div>
  );
}

function Reasons({ word, pages }: { word: string; pages: readonly PageFailure[] }) {
  if (pages.length === 0) return null;
  return (
    <details open={pages.length <= OPEN_UP_TO} className="rounded-xl bg-sunken px-4 py-2.5">
      <summary className="font-medium">{plural(pages.length, word)}, with reasons</summary>
      <ul className="mt-2 space-y-2.5 pb-1">
        {pages.map((page) => (
          <FailureRow key={`${page.url} ${page.error}`} failure={page} />
        ))}
      </ul>
    </details>
  );
}

function FailureRow({ failure }: { failure: PageFailure }) {
  return (
    <li className="text-[0.9375rem]">
      <p className="font-mono text-[0.8125rem]">{failure.url}</p>
      <p>
        {failure.error}
        {failure.next_step && <span className="text-soft"> {failure.next_step}</span>}
      </p>
    </li>
  );
}
