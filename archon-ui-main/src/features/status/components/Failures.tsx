import { count } from "@/shared/lib/format";
import type { StatusOfAll } from "../api/status";
import { Section } from "./Section";

/** What failed since the server started, by class. */
export function Failures({ errors }: Pick<StatusOfAll, "errors">) {
  return (
    <Section id="failures" title="Errors since the start">
      {errors.length === 0 ? (
        <p className="text-soft">None.</p>
      ) : (
        <ul aria-label="Errors" className="flex flex-wrap gap-x-6 gap-y-1 text-[0.9375rem]">
          {errors.map(({ code, provider, count: times }) => (
            <li key={`${code} ${provider}`}>
              {[code.replaceAll("_", " "), provider && `(${provider})`].filter(Boolean).join(" ")}{" "}
              <span className="font-medium tabular-nums">{count(times)}</span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
