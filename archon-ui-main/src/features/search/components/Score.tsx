import type { Passage, Scoring } from "../api/schemas";
import { foundBy, scoreLines } from "../words";

/** Why a passage stands where it stands: the lists it is in, its place in each, and what that gave. */
export function Score({ hit, scoring }: { hit: Passage; scoring: Scoring }) {
  return (
    <details className="relative w-fit max-w-full text-sm text-soft">
      <summary className="w-fit rounded hover:text-ink">Found {foundBy(hit)}</summary>
      <dl className="mt-1.5 grid grid-cols-[auto_1fr_auto] gap-x-4 gap-y-0.5 rounded-lg bg-sunken px-3 py-2">
        {scoreLines(hit, scoring).map((line) => (
          <div key={line.name} className="contents">
            <dt className="font-medium text-ink">{line.name}</dt>
            <dd>{line.value}</dd>
            <dd className="text-right font-mono text-[0.8125rem]">
              {line.points == null ? "" : `+${line.points.toFixed(4)}`}
            </dd>
          </div>
        ))}
        {hit.metadata?.situation && (
          <div className="contents">
            <dt className="font-medium text-ink">Context</dt>
            <dd className="col-span-2">{hit.metadata.situation} (by the chat model, embedded with it)</dd>
          </div>
        )}
        <div className="contents">
          <dt className="font-medium text-ink">Together</dt>
          <dd>ranks of both lists, 1 / ({scoring.rank_constant} + place)</dd>
          <dd className="text-right font-mono text-[0.8125rem]">{hit.fused_score?.toFixed(4) ?? ""}</dd>
        </div>
      </dl>
    </details>
  );
}
