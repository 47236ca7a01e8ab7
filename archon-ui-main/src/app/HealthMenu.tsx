import * as Popover from "@radix-ui/react-popover";
import { CircleAlert, CircleCheck, CircleDashed, LoaderCircle, type LucideIcon } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { type ServiceHealth, useServiceHealth } from "@/features/providers";
import { classes } from "@/shared/lib/classes";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Said } from "@/shared/ui/Said";
import { Skeleton } from "@/shared/ui/Skeleton";
import { useHealth } from "./health";

type State = ServiceHealth["state"];

const SIGNS: Record<State, { Icon: LucideIcon; look: string; words: string }> = {
  well: { Icon: CircleCheck, look: "text-good", words: "answers" },
  ill: { Icon: CircleAlert, look: "text-bad", words: "does not answer" },
  asking: { Icon: LoaderCircle, look: "animate-spin text-soft", words: "being asked" },
  unset: { Icon: CircleDashed, look: "text-warn", words: "not set up" },
};
const WORST_FIRST: readonly State[] = ["ill", "unset", "asking", "well"];
const SUMMARY: Record<State, string> = {
  well: "Models answer",
  ill: "Model trouble",
  asking: "Asking models",
  unset: "No models yet",
};

/** The state of the model servers in a word; opened, why, and how Archon's own parts are. */
export function HealthMenu() {
  const [open, setOpen] = useState(false);
  const health = useServiceHealth();
  const worst = WORST_FIRST.find((state) => health?.some((one) => one.state === state)) ?? "asking";
  const { Icon, look } = SIGNS[worst];
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger className="inline-flex h-9 items-center gap-2 rounded-[0.625rem] px-2.5 text-sm text-soft hover:bg-sunken hover:text-ink">
        <Icon aria-hidden className={classes("size-4", look)} />
        <span className="sr-only md:not-sr-only">{SUMMARY[worst]}</span>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="end"
          sideOffset={8}
          collisionPadding={12}
          aria-label="State of the servers"
          className="card z-50 w-[22rem] max-w-[calc(100vw-1.5rem)] animate-rise space-y-4 p-4 shadow-float"
        >
          <ul className="space-y-3">
            {health?.map((one) => (
              <ServiceRow key={one.service.id} health={one} />
            ))}
          </ul>
          <Parts wanted={open} />
          <p className="flex gap-4 text-sm">
            <Link to="/status" onClick={() => setOpen(false)} className="link">
              Status
            </Link>
            <Link to="/settings" onClick={() => setOpen(false)} className="link">
              Settings
            </Link>
          </p>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function ServiceRow({ health: { service, provider, model, state, reason } }: { health: ServiceHealth }) {
  const { Icon, look, words } = SIGNS[state];
  return (
    <li className="flex gap-2.5">
      <Icon aria-hidden className={classes("mt-1 size-4 shrink-0", look)} />
      <div className="min-w-0">
        <p>
          <span className="font-medium">{service.title}</span>: {provider ?? "nobody"} {words}
        </p>
        {model && <p className="font-mono text-[0.8125rem] text-soft">{model}</p>}
        {reason && (
          <p className="text-sm text-soft">
            <Said text={reason} />
          </p>
        )}
      </div>
    </li>
  );
}

function Parts({ wanted }: { wanted: boolean }) {
  const { data, error } = useHealth(wanted);
  return (
    <div className="border-t border-line pt-3 text-sm">
      <p className="mb-1.5 font-medium">Archon {data?.version}</p>
      {error && <ErrorNote error={error} />}
      {!data && !error && <Skeleton rows={2} shape="h-4" label="Asking Archon" />}
      <ul className="space-y-1.5">
        {data?.checks.map(({ name, ok, detail, next_step }) => {
          const { Icon, look } = SIGNS[ok ? "well" : "ill"];
          return (
            <li key={name} className="flex gap-2.5">
              <Icon aria-hidden className={classes("mt-0.5 size-4 shrink-0", look)} />
              <span className="min-w-0">
                {name}: {ok ? "well" : "not well"}
                {detail && <span className="text-soft"> · {detail}</span>}
                {!ok && next_step && (
                  <span className="block text-soft">
                    <Said text={next_step} />
                  </span>
                )}
              </span>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
