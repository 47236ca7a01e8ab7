import { count } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { ProgressBar } from "@/shared/ui/ProgressBar";
import { type SpaceJob, type Spaces, useSpaceAction, useSpaces, useTimeLeft } from "../api/spaces";
import { timeLeft } from "../words";

/** Says that another embedding model takes the place of the one that answers, or could; nothing when all is one. */
export function SpaceChange() {
  const { data } = useSpaces();
  if (!data) return null;
  if (data.job) return <Running spaces={data} job={data.job} />;
  const declined = data.spaces.find(
    ({ state, model }) => state === "declined" && model === data.chosen.model,
  );
  return declined ? <Declined spaces={data} /> : null;
}

function Running({ spaces, job }: { spaces: Spaces; job: SpaceJob }) {
  const action = useSpaceAction();
  const { data: left } = useTimeLeft(job.id);
  const paused = job.state === "paused";
  const act = (verb: string) => action.mutate(`/api/jobs/${encodeURIComponent(job.id)}/${verb}`);
  return (
    <section aria-labelledby="space-change" className="card mb-8 p-4 sm:p-5">
      <div className="flex flex-wrap items-start gap-3">
        <div className="min-w-0 flex-1">
          <h2 id="space-change" className="font-medium">
            Embedding everything with <Model name={spaces.chosen.model} />
          </h2>
          <p className="mt-1 text-[0.9375rem] text-soft">
            <Model name={answering(spaces)} /> answers until that is done; leave its server running.
          </p>
        </div>
        <div className="flex gap-2">
          <Button small busy={action.isPending} onClick={() => act(paused ? "resume" : "pause")}>
            {paused ? "Resume" : "Pause"}
          </Button>
          <Button small busy={action.isPending} onClick={() => act("cancel")}>
            Stay with the former model
          </Button>
        </div>
      </div>
      <div className="mt-3 space-y-2">
        <ProgressBar
          label="Progress of the new embedding model"
          percent={job.chunks_total ? job.progress : null}
        />
        <p aria-live="polite" className="flex flex-wrap gap-x-4 text-sm tabular-nums text-soft">
          {job.chunks_total > 0 && (
            <span>
              {count(job.chunks_embedded)} of {count(job.chunks_total)} passages
            </span>
          )}
          <span>{paused ? "Paused" : (timeLeft(left) ?? job.message)}</span>
        </p>
      </div>
      {action.error && <ErrorNote error={action.error} title="That did not work." className="mt-3" />}
    </section>
  );
}

function Declined({ spaces }: { spaces: Spaces }) {
  const action = useSpaceAction();
  return (
    <Notice
      tone="info"
      role="note"
      className="mb-6"
      title="Settings name another embedding model than the one that answers"
      actions={
        <Button small busy={action.isPending} onClick={() => action.mutate("/api/embedding-spaces/change")}>
          Embed everything with it
        </Button>
      }
    >
      <p>
        The change to <Model name={spaces.chosen.model} /> was stopped; <Model name={answering(spaces)} />{" "}
        goes on answering.
      </p>
      {action.error && <ErrorNote error={action.error} title="It did not begin." className="mt-3" />}
    </Notice>
  );
}

function Model({ name }: { name: string | null | undefined }) {
  return name ? <code className="font-mono text-sm">{name}</code> : <>the model in Settings</>;
}

function answering(spaces: Spaces): string | undefined {
  return spaces.spaces.find(({ state }) => state === "active")?.model;
}
