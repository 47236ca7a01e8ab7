import { Link } from "react-router";
import { plural } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { Page } from "@/shared/ui/Page";
import { Skeleton } from "@/shared/ui/Skeleton";
import { useGatewayStatus } from "../api/queries";
import type { Account, GatewayStatus } from "../api/schemas";
import { Chain } from "./Chain";
import { NoGateway } from "./NoGateway";
import { PoolCard } from "./PoolCard";
import { Totals } from "./Totals";

export function GatewayPage() {
  const { data, error, refetch } = useGatewayStatus();
  return (
    <Page title="Gateway" lead="One address for your model servers, and how each of them is right now.">
      {error && !data && <ErrorNote error={error} onRetry={() => void refetch()} />}
      {!error && !data && <Skeleton rows={3} shape="h-36 rounded-2xl" />}
      {data && !data.status && <NoGateway gateway={data} />}
      {data?.status && <Running gateway={data} account={data.status} stale={error !== null} />}
      {data && <Chain />}
    </Page>
  );
}

interface RunningProps {
  gateway: GatewayStatus;
  account: Account;
  /** The last look failed; what is shown is older. */
  stale: boolean;
}

function Running({ gateway, account, stale }: RunningProps) {
  return (
    <div className="space-y-6">
      <p className="flex flex-wrap items-center gap-x-3 gap-y-1 text-[0.9375rem]">
        <code className="rounded-lg bg-sunken px-2.5 py-1 font-mono">{`${gateway.address}/v1`}</code>
        <span className="text-soft">{`Archon gateway ${account.version}`}</span>
        <Usage usedBy={gateway.used_by} />
      </p>
      {stale && (
        <Notice
          tone="warn"
          role="status"
          title="Archon's server does not answer; this is the last known state."
        />
      )}
      {account.pools.map((pool) => (
        <PoolCard key={pool.name} pool={pool} />
      ))}
      {account.draining.map(({ name, outstanding }) => (
        <Notice key={name} tone="info" title={`${name} is draining`}>
          {`The configuration no longer names it; it still works on ${plural(outstanding, "request")}.`}
        </Notice>
      ))}
      <Totals account={account} />
    </div>
  );
}

function Usage({ usedBy }: { usedBy: string[] }) {
  if (usedBy.length > 0) return <span>{`Archon's ${usedBy.join(", ")} requests go through it.`}</span>;
  return (
    <span className="text-soft">
      {"Archon itself does not go through it: see "}
      <Link to="/settings" className="link">
        Settings
      </Link>
      {"."}
    </span>
  );
}
