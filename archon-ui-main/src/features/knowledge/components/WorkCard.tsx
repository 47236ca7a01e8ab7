import { CircleAlert, CircleCheck, CircleSlash, LoaderCircle, Square, X } from "lucide-react";
import { ApiError } from "@/shared/api/errors";
import { shortUrl } from "@/shared/lib/format";
import { Button, IconButton } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { ProgressBar } from "@/shared/ui/ProgressBar";
import { Word } from "@/shared/ui/Word";
import { isFinal, useProgress } from "../api/progress";
import type { Progress } from "../api/schemas";
import { useStop } from "../api/sources";
import { type WorkItem, work } from "../api/work";
import { statusWord, verdict } from "../words";
import { WorkResult } from "./WorkResult";

/** One piece of work: moving while it runs, its honest result when it has ended. */
export function WorkCard({ item }: { item: WorkItem }) {
  const { data: progress, error, refetch } = useProgress(item.id);
  const stop = useStop();
  const ended = progress ? isFinal(progress) : Boolean(error);
  const name = shortUrl(item.label);
  // The shell says so above every page, and asks again.
  const away = error instanceof ApiError && error.isUnreachable;
  return (
    <li className="card p-4 sm:p-5">
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <p className="font-medium leading-snug">{name}</p>
          <div aria-live="polite" className="mt-1.5">
            <State progress={progress} failed={Boolean(error) && !progress} />
          </div>
        </div>
        {ended ? (
          <IconButton label={`Dismiss ${name}`} onClick={() => work.dismiss(item.id)}>
            <X aria-hidden className="size-4" />
          </IconButton>
        ) : (
          <Button
            small
            busy={stop.isPending || progress?.status === "stopping"}
            onClick={() => stop.mutate(item.id)}
          >
            <Square aria-hidden className="size-3.5 fill-current" /> Stop{" "}
            <span className="sr-only">{name}</span>
          </Button>
        )}
      </div>
      {!ended && <Running progress={progress} name={name} />}
      {stop.error && !ended && (
        <ErrorNote error={stop.error} title="It could not be stopped." className="mt-3" />
      )}
      {error && !away && !(progress && isFinal(progress)) && (
        <ErrorNote
          error={error}
          title="Its progress cannot be followed."
          onRetry={() => void refetch()}
          className="mt-3"
        />
      )}
      {progress && isFinal(progress) && <WorkResult progress={progress} />}
    </li>
  );
}

function State({ progress, failed }: { progress: Progress | null | undefined; failed: boolean }) {
  if (failed) return <Word Icon={CircleSlash}>Unknown</Word>;
  if (!progress) {
    return (
      <Word Icon={LoaderCircle} spin>
        Starting
      </Word>
    );
  }
  if (!isFinal(progress)) {
    return (
      <Word tone="info" Icon={LoaderCircle} spin>
        {statusWord(progress.status)}
      </Word>
    );
  }
  const { tone, word } = verdict(progress.status, progress.outcome?.pages_failed ?? 0);
  const Icon = tone === "good" ? CircleCheck : tone === "plain" ? CircleSlash : CircleAlert;
  return (
    <Word tone={tone} Icon={Icon}>
      {word}
    </Word>
  );
}

function Running({ progress, name }: { progress: Progress | null | undefined; name: string }) {
  const pages = progress?.totalPages
    ? `${progress.processedPages ?? 0} of ${progress.totalPages} pages`
    : null;
  const passages = progress?.chunksStored ? `${progress.chunksStored} passages stored` : null;
  const where = progress?.currentUrl ? shortUrl(progress.currentUrl) : progress?.message;
  return (
    <div className="mt-3 space-y-2">
      <ProgressBar label={`Progress of ${name}`} percent={progress ? progress.progress : null} />
      <p className="flex flex-wrap gap-x-4 text-sm tabular-nums text-soft">
        {pages && <span>{pages}</span>}
        {passages && <span>{passages}</span>}
        {where && <span className="min-w-0 truncate">{where}</span>}
      </p>
    </div>
  );
}
