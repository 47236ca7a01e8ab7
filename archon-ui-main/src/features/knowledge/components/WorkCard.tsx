import { CircleAlert, CircleCheck, CircleSlash, LoaderCircle, PauseCircle, X } from "lucide-react";
import { useEffect, useRef } from "react";
import { ApiError } from "@/shared/api/errors";
import { plural, shortUrl } from "@/shared/lib/format";
import { bringIntoSight } from "@/shared/lib/sight";
import { IconButton } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { ProgressBar } from "@/shared/ui/ProgressBar";
import { Word } from "@/shared/ui/Word";
import type { Verb } from "../api/jobs";
import { isFinal, useProgress } from "../api/progress";
import type { Progress } from "../api/schemas";
import { type Begun, type WorkItem, work } from "../api/work";
import { reusedWords, statusWord, verdict } from "../words";
import { WorkActions } from "./WorkActions";
import { WorkResult } from "./WorkResult";

/** One piece of work: moving while it runs, its honest result when it has ended. `begun`: come into sight. */
export function WorkCard({ item, begun }: { item: WorkItem; begun: Begun | null }) {
  const heading = useArrival(begun);
  const { data: progress, error, refetch } = useProgress(item.id);
  const ended = progress ? isFinal(progress) : Boolean(error);
  const name = shortUrl(item.label);
  // The shell says so above every page, and asks again.
  const away = error instanceof ApiError && error.isUnreachable;
  return (
    <li className="card p-4 sm:p-5">
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <h3 ref={heading} tabIndex={-1} className="font-medium leading-snug">
            {name}
          </h3>
          <div aria-live="polite" className="mt-1.5">
            <State progress={progress} failed={Boolean(error) && !progress} />
          </div>
        </div>
        <div className="flex items-start gap-2">
          <WorkActions
            id={item.id}
            name={name}
            verbs={verbsOf(progress, ended)}
            busy={progress?.status === "stopping"}
          />
          {ended && (
            <IconButton label={`Dismiss ${name}`} onClick={() => work.dismiss(item.id)}>
              <X aria-hidden className="size-4" />
            </IconButton>
          )}
        </div>
      </div>
      {!ended && <Running progress={progress} name={name} />}
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

/** A heading that is scrolled to and focused when its work has begun, so that a screen reader goes on from there. */
function useArrival(begun: Begun | null) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!begun || !heading.current) return;
    heading.current.focus({ preventScroll: true });
    bringIntoSight(heading.current, "center");
  }, [begun]);
  return heading;
}

function verbsOf(progress: Progress | null | undefined, ended: boolean): Verb[] {
  if (!ended) {
    if (progress?.status === "stopping") return ["cancel"];
    return progress?.status === "paused" ? ["resume", "cancel"] : ["pause", "cancel"];
  }
  if (!progress || !isFinal(progress)) return [];
  const incomplete = progress.status !== "completed" || (progress.outcome?.pages_failed ?? 0) > 0;
  return incomplete ? ["retry"] : [];
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
  if (progress.status === "paused") return <Word Icon={PauseCircle}>Paused</Word>;
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
  const contexts = progress?.details?.contextsDone
    ? `contexts of ${plural(progress.details.contextsDone, "passage")}`
    : null;
  const reused = reusedWords(progress?.details?.embeddingsReused);
  const where = progress?.currentUrl ? shortUrl(progress.currentUrl) : progress?.message;
  return (
    <div className="mt-3 space-y-2">
      <ProgressBar label={`Progress of ${name}`} percent={progress ? progress.progress : null} />
      <p className="flex flex-wrap gap-x-4 text-sm tabular-nums text-soft">
        {pages && <span>{pages}</span>}
        {passages && <span>{passages}</span>}
        {reused && <span>{reused}</span>}
        {contexts && <span>{contexts}</span>}
        {where && <span className="min-w-0 truncate">{where}</span>}
      </p>
    </div>
  );
}
