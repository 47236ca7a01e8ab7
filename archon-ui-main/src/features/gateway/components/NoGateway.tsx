import { Waypoints } from "lucide-react";
import { Link } from "react-router";
import { EmptyState } from "@/shared/ui/EmptyState";
import { Notice } from "@/shared/ui/Notice";
import type { GatewayStatus } from "../api/schemas";

/** No gateway answers: what one is good for, how to start it, and what suffers meanwhile. */
export function NoGateway({ gateway }: { gateway: GatewayStatus }) {
  const { error, used_by, address } = gateway;
  const needed = used_by.length > 0;
  const absent = error?.code === "connection_refused";
  return (
    <div className="space-y-4">
      {error && (!absent || needed) && (
        <Notice tone={needed ? "bad" : "warn"} role="alert" title={error.error}>
          {needed && (
            <p>{`Requests for ${used_by.join(", ")} go through the gateway, so none of them is answered now.`}</p>
          )}
          {error.next_step && <p>{error.next_step}</p>}
        </Notice>
      )}
      <div className="card">
        <EmptyState Icon={Waypoints} title="No gateway runs">
          <p>
            The gateway gives several model servers one address, spreads requests over them, and keeps
            answering when one of them dies.{!needed && " Archon works without it."}
          </p>
          <p>
            <code className="rounded-lg bg-sunken px-3 py-1.5 font-mono text-ink">make gateway</code>
          </p>
          <p className="text-sm">
            {"“make up” starts it too, once it knows a model server. "}
            {address && `It is looked for at ${address}; this page notices it by itself. `}
            {needed ? "Whether requests go through it is chosen in " : "Archon is sent through it in "}
            <Link to="/settings" className="link">
              Settings
            </Link>
            {"."}
          </p>
        </EmptyState>
      </div>
    </div>
  );
}
