import * as Popover from "@radix-ui/react-popover";
import { SlidersHorizontal } from "lucide-react";
import { ConnectionPicker, type Picked, useConnections } from "@/features/connections";
import { buttonClasses } from "@/shared/ui/Button";

interface AgentModelProps {
  picked: Picked;
  onPick: (next: Picked) => void;
}

/** Which connection and model the agent works with; the next question goes there. */
export function AgentModel({ picked, onPick }: AgentModelProps) {
  const { data } = useConnections();
  const used = data?.connections.find((one) => one.id === (picked.connectionId ?? data.default));
  const name = [used?.name, picked.model || used?.model].filter(Boolean).join(" · ") || "Model";
  return (
    <Popover.Root>
      <Popover.Trigger className={buttonClasses("quiet", true)}>
        <SlidersHorizontal aria-hidden className="size-4" />
        <span className="sr-only">Model of the agent, </span>
        <span className="max-w-44 truncate">{name}</span>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="end"
          sideOffset={6}
          collisionPadding={12}
          aria-label="Model of the agent"
          className="card z-50 w-[min(32rem,calc(100vw-2rem))] animate-rise p-4 shadow-float"
        >
          <ConnectionPicker value={picked} onChange={onPick} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
