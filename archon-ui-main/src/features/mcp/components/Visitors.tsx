import { count } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";
import { useMcpClients } from "../api/queries";

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

/** Who asked lately. */
export function Visitors({ runs }: { runs: boolean }) {
  const { data, error, isPending } = useMcpClients(runs);
  if (!runs) return null;
  return (
    <section aria-labelledby="mcp-visitors" className="card space-y-3 p-5 sm:p-6">
      <h2 id="mcp-visitors" className="font-serif text-xl font-semibold">
        Heard within the last hour
      </h2>
      {error && <ErrorNote error={error} />}
      {isPending && <Skeleton rows={1} shape="h-6" label="Asking who was there" />}
      {data?.clients.length === 0 && <p className="text-soft">No assistant has called yet.</p>}
      <ul className="divide-y divide-line">
        {data?.clients.map(({ name, version, last_seen, requests }) => (
          <li key={`${name} ${last_seen}`} className="flex flex-wrap justify-between gap-x-4 py-2">
            <span className="font-medium">
              {name} {version && <span className="font-normal text-soft">{version}</span>}
            </span>
            <span className="text-soft">
              {count(requests)} {requests === 1 ? "request" : "requests"}, last at{" "}
              {TIME.format(new Date(last_seen))}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
