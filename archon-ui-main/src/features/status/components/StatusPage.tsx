import { Link } from "react-router";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { Page } from "@/shared/ui/Page";
import { Skeleton } from "@/shared/ui/Skeleton";
import { type StatusOfAll, useStatus } from "../api/status";
import { Failures } from "./Failures";
import { ServerCard } from "./ServerCard";
import { StoreCard } from "./StoreCard";
import { Workers } from "./Workers";

export function StatusPage() {
  const { data, error, refetch } = useStatus();
  return (
    <Page title="Status" lead="Every model server, who works, and what is stored.">
      {error && !data && <ErrorNote error={error} onRetry={() => void refetch()} />}
      {!error && !data && <Skeleton rows={3} shape="h-36 rounded-2xl" label="Asking everything" />}
      {data && <Everything status={data} stale={error !== null} />}
    </Page>
  );
}

function Everything({ status, stale }: { status: StatusOfAll; stale: boolean }) {
  return (
    <div className="space-y-6">
      {stale && (
        <Notice
          tone="warn"
          role="status"
          title="Archon's server does not answer; this is the last known state."
        />
      )}
      {status.models.length === 0 && (
        <Notice tone="info" title="No model server can be asked yet.">
          <p>
            Choose one in{" "}
            <Link to="/settings" className="link">
              Settings
            </Link>
            ; how it does is shown here from then on.
          </p>
        </Notice>
      )}
      {status.models.map((server) => (
        <ServerCard key={`${server.provider} ${server.address}`} server={server} />
      ))}
      <Workers workers={status.workers} jobs={status.jobs} />
      <StoreCard store={status.store} />
      <Failures errors={status.errors} />
    </div>
  );
}
