import { CircleAlert, CircleCheck } from "lucide-react";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { Page } from "@/shared/ui/Page";
import { Said } from "@/shared/ui/Said";
import { Skeleton } from "@/shared/ui/Skeleton";
import { Word } from "@/shared/ui/Word";
import { useMcpConfig, useMcpStatus } from "../api/queries";
import type { McpStatus } from "../api/schemas";
import { AssistantSetup } from "./AssistantSetup";
import { LiveTest } from "./LiveTest";
import { Visitors } from "./Visitors";

/** How assistants come to what Archon knows: is the way open, what do they have to be told, does it work. */
export function McpPage() {
  const { data: config, error } = useMcpConfig();
  const { data: status } = useMcpStatus();
  const runs = status?.status === "running";
  return (
    <Page
      title="Assistants"
      lead="Let Claude, Cursor and others search what Archon knows, over the Model Context Protocol."
      actions={status && <StatusWord status={status} />}
    >
      <div className="space-y-6">
        {status && !runs && (
          <Notice tone="warn" role="status" title={status.message ?? "The MCP server does not run."}>
            {status.next_step && (
              <p>
                <Said text={status.next_step} />
              </p>
            )}
          </Notice>
        )}
        <section aria-labelledby="mcp-setup" className="card space-y-4 p-5 sm:p-6">
          <h2 id="mcp-setup" className="font-serif text-xl font-semibold">
            Tell your assistant
          </h2>
          {error && <ErrorNote error={error} />}
          {!config && !error && <Skeleton rows={3} shape="h-10" label="Asking for the address" />}
          {config && <AssistantSetup address={config.url} tokenRequired={config.token_required} />}
        </section>
        <LiveTest />
        <Visitors runs={runs} />
      </div>
    </Page>
  );
}

function StatusWord({ status: { status } }: { status: McpStatus }) {
  return status === "running" ? (
    <Word tone="good" Icon={CircleCheck}>
      Running
    </Word>
  ) : (
    <Word tone="warn" Icon={CircleAlert}>
      {status === "stopped" ? "Not running" : "Trouble"}
    </Word>
  );
}
