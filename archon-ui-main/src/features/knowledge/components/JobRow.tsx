import { CircleAlert, CircleCheck, CircleSlash, LoaderCircle, PauseCircle } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { ago, dateTime, shortUrl } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Word } from "@/shared/ui/Word";
import type { Job, Verb } from "../api/jobs";
import { jobKind, jobOutcome, verdict } from "../words";
import { JobPages } from "./JobPages";
import { Remarks } from "./Remarks";
import { WorkActions } from "./WorkActions";

/** One job of the history: how it ended, its sums, and its pages when they are asked for. */
export function JobRow({ job }: { job: Job }) {
  const [open, setOpen] = useState(false);
  const verbs = verbsOf(job);
  const name = shortUrl(job.name) || jobKind(job.kind);
  return (
    <li className="card p-4 sm:p-5">
      <div className="flex flex-col gap-3 sm:flex-row sm:items-start">
        <div className="min-w-0 flex-1">
          <h2 className="font-medium leading-snug">
            {job.source_id ? (
              <Link className="link" to={`/sources/${encodeURIComponent(job.source_id)}`}>
                {name}
              </Link>
            ) : (
              name
            )}
          </h2>
          <p className="mt-1.5 flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-soft">
            <State job={job} />
            <span>{jobKind(job.kind)}</span>
            <time dateTime={job.created_at} title={dateTime(job.created_at)}>
              {ago(job.created_at)}
            </time>
          </p>
          <p className="mt-2 text-[0.9375rem]">{jobOutcome(job)}</p>
          <Remarks lines={job.remarks} />
        </div>
        {verbs.length > 0 && <WorkActions id={job.id} name={name} verbs={verbs} />}
      </div>
      {job.state === "failed" && job.detail && <ErrorNote error={job.detail} className="mt-3" />}
      <details className="mt-3" onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary className="text-sm font-medium">What became of each page</summary>
        <JobPages jobId={job.id} open={open} />
      </details>
    </li>
  );
}

function verbsOf(job: Job): Verb[] {
  return [
    ...(job.can_pause ? (["pause"] as const) : []),
    ...(job.can_resume ? (["resume"] as const) : []),
    ...(job.can_cancel ? (["cancel"] as const) : []),
    ...(job.can_retry ? (["retry"] as const) : []),
  ];
}

function State({ job }: { job: Job }) {
  if (job.state === "paused") return <Word Icon={PauseCircle}>Paused</Word>;
  if (job.can_cancel) {
    return (
      <Word tone="info" Icon={LoaderCircle} spin={job.state === "running"}>
        {job.state === "queued" ? "Waiting for its turn" : `${job.progress} %`}
      </Word>
    );
  }
  const { tone, word } = verdict(job.state, job.outcome.pages_failed);
  const Icon = tone === "good" ? CircleCheck : tone === "plain" ? CircleSlash : CircleAlert;
  return (
    <Word tone={tone} Icon={Icon}>
      {word}
    </Word>
  );
}
