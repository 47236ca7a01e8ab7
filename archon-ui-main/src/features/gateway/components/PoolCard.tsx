import { CircleAlert, CircleCheck } from "lucide-react";
import { plural } from "@/shared/lib/format";
import { Word } from "@/shared/ui/Word";
import type { Pool } from "../api/schemas";
import { UpstreamRow } from "./UpstreamRow";

/** Servers that share a queue. */
export function PoolCard({ pool }: { pool: Pool }) {
  const title = `pool-${pool.name}`;
  const aliases = Object.entries(pool.aliases);
  const traits = [
    pool.options.heal && "broken streams heal",
    pool.options.affinity !== "off" && `a ${pool.options.affinity} stays on its server`,
    ...aliases.map(([alias, model]) => `${alias} means ${model}`),
  ].filter(Boolean);
  return (
    <section aria-labelledby={title} className="card overflow-hidden">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line bg-sunken/50 px-4 py-3 sm:px-5">
        <h2 id={title} className="font-serif text-lg font-semibold">
          {pool.name}
        </h2>
        <Word tone={pool.can_serve ? "good" : "bad"} Icon={pool.can_serve ? CircleCheck : CircleAlert}>
          {pool.can_serve ? "Can serve" : "Cannot serve"}
        </Word>
        {pool.queued > 0 && <Word tone="warn">{`${plural(pool.queued, "request")} waiting in line`}</Word>}
        {traits.length > 0 && <span className="text-sm text-soft">{traits.join(" · ")}</span>}
      </header>
      <ul aria-label={`Servers of ${pool.name}`}>
        {pool.upstreams.map((upstream) => (
          <UpstreamRow key={upstream.name} upstream={upstream} />
        ))}
      </ul>
    </section>
  );
}
