import { classes } from "@/shared/lib/classes";
import { dateTime, duration, plural } from "@/shared/lib/format";
import type { ServerCheck } from "../api/status";

/** Every look at a server as a bar, oldest first; the same in words for those who do not see it. */
export function CheckHistory({ checks, of }: { checks: ServerCheck[]; of: string }) {
  if (checks.length === 0) return null;
  const failed = checks.filter(({ ok }) => !ok);
  return (
    <figure>
      <div aria-hidden className="flex h-6 items-end gap-px">
        {checks.map((check) => (
          <span
            key={check.at}
            title={`${dateTime(check.at)}: ${told(check)}`}
            className={classes("w-1.5 rounded-sm", check.ok ? "h-3 bg-good" : "h-6 bg-bad")}
          />
        ))}
      </div>
      <figcaption className="mt-1.5 text-sm text-soft">
        {`${plural(checks.length, "check")} since ${dateTime(checks[0]?.at ?? "")}, ${failed.length} failed`}
      </figcaption>
      {failed.length > 0 && (
        <details className="mt-1 text-sm text-soft">
          <summary className="w-fit cursor-pointer rounded">Which ones failed</summary>
          <ul aria-label={`Failed checks of ${of}`} className="mt-1 list-inside list-disc">
            {failed.toReversed().map((check) => (
              <li key={check.at}>{`${dateTime(check.at)}: ${told(check)}`}</li>
            ))}
          </ul>
        </details>
      )}
    </figure>
  );
}

function told({ ok, code, took_ms }: ServerCheck): string {
  return ok ? `answered in ${duration(took_ms)}` : (code ?? "failed").replaceAll("_", " ");
}
