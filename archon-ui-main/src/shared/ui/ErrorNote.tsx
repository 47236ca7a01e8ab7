import type { ReactNode } from "react";
import { bodyOf, type ErrorBody } from "@/shared/api/errors";
import { Button } from "./Button";
import { Notice } from "./Notice";
import { Said } from "./Said";

function facts(body: ErrorBody): [string, string][] {
  const rows: [string, string | number | null | undefined][] = [
    ["Kind", body.code],
    ["Connection", body.connection],
    ["Provider", body.provider],
    ["Address", body.url],
    ["Model", body.model],
    ["HTTP status", body.status],
    ["Attempts", body.attempts],
    ["After", body.elapsed_s == null ? null : `${body.elapsed_s} s`],
    ["Server said", body.upstream_message],
    ["Request id", body.request_id],
  ];
  return rows.flatMap(([name, value]) => (value == null || value === "" ? [] : [[name, String(value)]]));
}

interface ErrorNoteProps {
  /** A thrown error or an error body. */
  error: unknown;
  title?: string;
  /** What the connection that was asked is called; its id stands among the particulars. */
  connection?: string | null;
  onRetry?: () => void;
  actions?: ReactNode;
  className?: string;
}

/** What failed, what to do next, and the particulars for whoever wants them. */
export function ErrorNote({ error, title, connection, onRetry, actions, className }: ErrorNoteProps) {
  const body = isBody(error) ? error : bodyOf(error);
  return (
    <Notice
      tone="bad"
      role="alert"
      title={title ?? body.error}
      className={className}
      actions={
        (onRetry || actions) && (
          <>
            {onRetry && (
              <Button small onClick={onRetry}>
                Try again
              </Button>
            )}
            {actions}
          </>
        )
      }
    >
      {title && (
        <p>
          <Said text={body.error} />
        </p>
      )}
      {connection && (
        <p>
          <span className="font-medium">Connection:</span> {connection}
        </p>
      )}
      {body.next_step && (
        <p>
          <span className="font-medium">Next step:</span> <Said text={body.next_step} />
        </p>
      )}
      <details className="text-sm text-soft">
        <summary className="w-fit rounded py-0.5 hover:text-ink">Particulars</summary>
        <dl className="mt-1 grid grid-cols-[auto_1fr] gap-x-4 gap-y-0.5">
          {facts(body).map(([name, value]) => (
            <div key={name} className="contents">
              <dt>{name}</dt>
              <dd className="font-mono text-[0.8125rem] text-ink">{value}</dd>
            </div>
          ))}
        </dl>
      </details>
    </Notice>
  );
}

function isBody(value: unknown): value is ErrorBody {
  return typeof value === "object" && value !== null && "error" in value && "code" in value;
}
