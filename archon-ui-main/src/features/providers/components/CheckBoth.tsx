import { CircleCheck, LoaderCircle } from "lucide-react";
import type { Settings } from "@/shared/api/settings";
import { count, duration } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { useCheck } from "../api/queries";
import type { CheckResult } from "../api/schemas";
import { SERVICES, type Service } from "../services";

const CHECKED = ["llm", "embedding"] as const;

/** Both services checked as they are saved, in one go. */
export function CheckBoth({ settings }: { settings: Settings }) {
  const checks = { llm: useCheck(), embedding: useCheck() };
  const start = () => {
    for (const id of CHECKED) {
      const provider = settings.services[id].provider;
      if (provider) checks[id].mutate({ provider, service: id, values: {} });
    }
  };
  const running = checks.llm.isPending || checks.embedding.isPending;
  return (
    <div className="space-y-4">
      <Button look="primary" onClick={start} busy={running}>
        Check both
      </Button>
      <ul role="status" className="space-y-3 empty:hidden">
        {CHECKED.map((id) => {
          const service = SERVICES.find((one) => one.id === id);
          return service && <CheckRow key={id} service={service} check={checks[id]} />;
        })}
      </ul>
    </div>
  );
}

function CheckRow({ service, check }: { service: Service; check: ReturnType<typeof useCheck> }) {
  if (check.isPending) {
    return (
      <li className="flex items-center gap-2.5 text-soft">
        <LoaderCircle aria-hidden className="size-4 animate-spin" /> {service.title}: asking the server…
      </li>
    );
  }
  const failure = check.error ?? check.data?.error;
  if (failure) {
    return (
      <li>
        <ErrorNote error={failure} title={`${service.title}: not working yet.`} />
      </li>
    );
  }
  if (!check.data) return null;
  return (
    <li className="flex items-baseline gap-2.5">
      <CircleCheck aria-hidden className="size-4 shrink-0 translate-y-0.5 text-good" />
      <span>
        <span className="font-medium">{service.title}: working.</span> {factsOf(check.data)}
      </span>
    </li>
  );
}

function factsOf({ model, max_model_len, dimensions, latency_ms }: CheckResult): string {
  const parts = [
    model,
    max_model_len ? `${count(max_model_len)} tokens of context` : null,
    dimensions ? `vectors of ${count(dimensions)} dimensions` : null,
    latency_ms == null ? null : `answered in ${duration(latency_ms)}`,
  ];
  return `${parts.filter(Boolean).join(", ")}.`;
}
