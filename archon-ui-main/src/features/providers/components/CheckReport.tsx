import { CircleCheck, CircleX, Wrench } from "lucide-react";
import { localError } from "@/shared/api/errors";
import { count, duration } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import type { CheckResult, Finding, Fix } from "../api/schemas";

interface CheckReportProps {
  result: CheckResult;
  providerLabel: string;
  /** The form was changed since. */
  stale: boolean;
  onApply: (fix: Fix) => void;
  onAgain: () => void;
}

/** What a check found, step by step, with what can be done about it. */
export function CheckReport({ result, providerLabel, stale, onApply, onAgain }: CheckReportProps) {
  return (
    <div className="space-y-4">
      {stale && (
        <Notice
          tone="info"
          role="status"
          actions={
            <Button small onClick={onAgain}>
              Check again
            </Button>
          }
        >
          The values were changed since this check.
        </Notice>
      )}
      <div className={stale ? "space-y-4 opacity-60" : "space-y-4"}>
        {result.ok ? (
          <Notice tone="good" role="status" title={`${providerLabel} works.`}>
            <Facts result={result} />
          </Notice>
        ) : (
          <ErrorNote
            error={
              result.error ?? localError("check_failed", "The check failed.", "Look at the findings below.")
            }
            title={`${providerLabel} cannot be used like this.`}
          />
        )}
        <ol aria-label="Findings" className="space-y-3">
          {result.findings.map((finding) => (
            <FindingRow key={`${finding.step} ${finding.message}`} finding={finding} onApply={onApply} />
          ))}
        </ol>
      </div>
    </div>
  );
}

function Facts({ result }: { result: CheckResult }) {
  const rows: [string, string | null | undefined][] = [
    ["Model", result.model],
    ["Context length", result.max_model_len ? `${count(result.max_model_len)} tokens` : null],
    ["Vector size", result.dimensions ? `${count(result.dimensions)} dimensions` : null],
    ["Answered in", result.latency_ms == null ? null : duration(result.latency_ms)],
    ["Server", result.server],
    ["Address", result.base_url],
    ["Models offered", result.models.length > 1 ? result.models.map((model) => model.name).join(", ") : null],
  ];
  return (
    <dl className="mt-2 grid gap-x-6 gap-y-1.5 sm:grid-cols-2">
      {rows.map(
        ([name, value]) =>
          value && (
            <div key={name} className="flex gap-2">
              <dt className="shrink-0 text-soft">{name}</dt>
              <dd className="min-w-0 font-medium">{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

function FindingRow({ finding, onApply }: { finding: Finding; onApply: (fix: Fix) => void }) {
  const { step, ok, message, detail, next_step, fix } = finding;
  return (
    <li className="flex gap-3">
      {ok ? (
        <CircleCheck aria-hidden className="mt-[0.2rem] size-[1.125rem] shrink-0 text-good" />
      ) : (
        <CircleX aria-hidden className="mt-[0.2rem] size-[1.125rem] shrink-0 text-bad" />
      )}
      <div className="min-w-0 space-y-1">
        <p>
          <span className="font-medium">{step.replaceAll("_", " ")}</span>
          <span className={ok ? "text-good" : "font-medium text-bad"}> {ok ? "passed" : "failed"}</span>
          <span className="text-soft">: </span>
          {message}
        </p>
        {detail && <p className="font-mono text-[0.8125rem] text-soft">{detail}</p>}
        {next_step && (
          <p className={ok ? "text-soft" : undefined}>
            <span className="font-medium">{ok ? "For more:" : "Next step:"}</span> {next_step}
          </p>
        )}
        {fix && (
          <Button small onClick={() => onApply(fix)} className="mt-1">
            <Wrench aria-hidden className="size-4" />
            {fix.label}
          </Button>
        )}
      </div>
    </li>
  );
}
