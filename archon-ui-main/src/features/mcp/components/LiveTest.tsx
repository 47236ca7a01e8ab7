import { CircleCheck, CircleX, PlugZap } from "lucide-react";
import { duration } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { useTrial } from "../api/queries";
import type { Trial } from "../api/schemas";

/** Really connects, lists the tools and calls one. */
export function LiveTest() {
  const trial = useTrial();
  return (
    <section aria-labelledby="mcp-test" className="card space-y-4 p-5 sm:p-6">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <div>
          <h2 id="mcp-test" className="font-serif text-xl font-semibold">
            Try it
          </h2>
          <p className="text-soft">Connects as an assistant would, lists the tools and calls one.</p>
        </div>
        <Button onClick={() => trial.mutate()} busy={trial.isPending}>
          {!trial.isPending && <PlugZap aria-hidden className="size-4" />}
          Test the connection
        </Button>
      </div>
      {trial.error && <ErrorNote error={trial.error} title="The test itself did not run." />}
      {trial.data && !trial.isPending && <TrialReport trial={trial.data} />}
    </section>
  );
}

function TrialReport({ trial }: { trial: Trial }) {
  return (
    <div className="space-y-4">
      {trial.ok ? (
        <Notice tone="good" role="status" title="Assistants can use Archon.">
          <p>
            {trial.tools.length} tools at <span className="font-mono text-[0.875rem]">{trial.url}</span>
          </p>
        </Notice>
      ) : (
        <ErrorNote
          error={trial.error ?? new Error("The test failed.")}
          title="Assistants cannot use it like this."
        />
      )}
      <ol aria-label="Steps of the test" className="space-y-2">
        {trial.steps.map(({ step, ok, took_ms }) => (
          <li key={step} className="flex items-center gap-2.5">
            {ok ? (
              <CircleCheck aria-hidden className="size-[1.125rem] shrink-0 text-good" />
            ) : (
              <CircleX aria-hidden className="size-[1.125rem] shrink-0 text-bad" />
            )}
            <span className="font-mono text-[0.875rem]">{step}</span>
            <span className="text-soft">
              {ok ? "passed" : "failed"} after {duration(took_ms)}
            </span>
          </li>
        ))}
      </ol>
      {trial.tools.length > 0 && (
        <details>
          <summary className="w-fit cursor-pointer rounded font-medium">What the tools do</summary>
          <dl className="mt-3 space-y-3">
            {trial.tools.map(({ name, description }) => (
              <div key={name}>
                <dt className="font-mono text-[0.875rem]">{name}</dt>
                <dd className="text-[0.9375rem] text-soft">{description.split("\n")[0]}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </div>
  );
}
