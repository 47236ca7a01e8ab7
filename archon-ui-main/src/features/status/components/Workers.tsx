import { count, plural } from "@/shared/lib/format";
import type { StatusOfAll } from "../api/status";
import { Facts } from "./Facts";
import { Section } from "./Section";

const ENDED = new Set(["completed", "failed", "cancelled"]);

/** The processes with work in hand, and the jobs by state. */
export function Workers({ workers, jobs }: Pick<StatusOfAll, "workers" | "jobs">) {
  return (
    <Section id="workers" title="Workers">
      {workers.length === 0 ? (
        <p className="text-soft">Nobody has work in hand.</p>
      ) : (
        <ul aria-label="Workers" className="space-y-1 text-[0.9375rem]">
          {workers.map(({ name, jobs: held, duty }) => (
            <li key={name} className="flex flex-wrap gap-x-3">
              <code className="break-all font-mono">{name}</code>
              <span className="text-soft">
                {[held > 0 && plural(held, "job"), duty && "looks after the store"]
                  .filter(Boolean)
                  .join(" · ")}
              </span>
            </li>
          ))}
        </ul>
      )}
      <Facts
        facts={Object.entries(jobs).map(([state, number]) => [
          `Jobs ${state}${ENDED.has(state) ? " within a day" : ""}`,
          count(number),
        ])}
      />
    </Section>
  );
}
