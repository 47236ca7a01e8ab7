import type { ReactNode } from "react";
import { ago, count } from "@/shared/lib/format";
import { Word } from "@/shared/ui/Word";
import type { Account } from "../api/schemas";
import { plain, ranked, seconds } from "../words";

/** The gateway as a whole since it started. */
export function Totals({ account }: { account: Account }) {
  const { totals, first_token, started } = account;
  const broken = ranked(totals.streams).filter(([outcome]) => outcome !== "complete");
  return (
    <section aria-label="Since the start" className="space-y-4">
      <dl className="grid grid-cols-2 gap-3 sm:grid-cols-4">
        <Fact name="Running now">{count(totals.running)}</Fact>
        <Fact name="Requests">{count(totals.requests)}</Fact>
        <Fact name="Tried again">{count(totals.retries)}</Fact>
        <Fact name="Started">{ago(new Date(started * 1000).toISOString())}</Fact>
      </dl>
      <FirstTokens spreads={first_token} />
      <Counts title="Errors by class" counts={ranked(totals.errors)} none="No request has failed." />
      {broken.length > 0 && <Counts title="Streams that did not end whole" counts={broken} none="" />}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="card px-4 py-3">
      <dt className="text-sm text-soft">{name}</dt>
      <dd className="mt-0.5 text-xl font-semibold tabular-nums">{children}</dd>
    </div>
  );
}

function FirstTokens({ spreads }: { spreads: Account["first_token"] }) {
  const models = Object.entries(spreads);
  if (models.length === 0) return null;
  return (
    <table className="w-full text-left text-[0.9375rem]">
      <caption className="mb-1 text-left text-sm text-soft">Time to the first token</caption>
      <thead className="text-sm text-soft">
        <tr className="border-b border-line">
          <th scope="col" className="py-1.5 pr-4 font-medium">
            Model
          </th>
          <th scope="col" className="py-1.5 pr-4 text-right font-medium">
            Streams
          </th>
          <th scope="col" className="py-1.5 pr-4 text-right font-medium">
            Median
          </th>
          <th scope="col" className="py-1.5 text-right font-medium">
            95 %
          </th>
        </tr>
      </thead>
      <tbody>
        {models.map(([model, { count: streams, p50_s, p95_s }]) => (
          <tr key={model} className="border-b border-line last:border-b-0">
            <th scope="row" className="break-all py-1.5 pr-4 font-medium">
              {model}
            </th>
            <td className="py-1.5 pr-4 text-right tabular-nums">{count(streams)}</td>
            <td className="py-1.5 pr-4 text-right tabular-nums">{seconds(p50_s)}</td>
            <td className="py-1.5 text-right tabular-nums">{seconds(p95_s)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface CountsProps {
  title: string;
  counts: [string, number][];
  none: string;
}

function Counts({ title, counts, none }: CountsProps) {
  return (
    <div>
      <h3 className="text-sm text-soft">{title}</h3>
      {counts.length === 0 && <p className="text-[0.9375rem]">{none}</p>}
      <ul className="mt-1 flex flex-wrap gap-2">
        {counts.map(([code, times]) => (
          <li key={code}>
            <Word tone="warn">{`${plain(code)} ${count(times)}`}</Word>
          </li>
        ))}
      </ul>
    </div>
  );
}
