import { Stethoscope } from "lucide-react";
import { useRef, useState } from "react";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { useCheck } from "../api/queries";
import type { Fix, Provider } from "../api/schemas";
import { unsavedValues } from "../draft";
import type { SettingsForm } from "../hooks/useSettingsForm";
import type { Service } from "../services";
import { CheckReport } from "./CheckReport";
import { Elapsed } from "./Elapsed";

interface CheckPanelProps {
  provider: Provider;
  service: Service;
  form: SettingsForm;
}

/** Really asks the server, with what stands in the form, and shows what it said. */
export function CheckPanel({ provider, service, form }: CheckPanelProps) {
  const check = useCheck();
  const running = useRef<AbortController>(null);
  const [applied, setApplied] = useState<Fix | null>(null);
  const values = unsavedValues(provider, form.draft);
  const stale = check.data != null && JSON.stringify(check.variables?.values) !== JSON.stringify(values);

  const start = () => {
    setApplied(null);
    running.current = new AbortController();
    check.mutate({ provider: provider.id, service: service.id, values, signal: running.current.signal });
  };
  const stop = () => {
    running.current?.abort();
    check.reset();
  };
  const apply = (fix: Fix) => {
    setApplied(fix);
    form.dispatch({ type: "apply", values: fix.values });
  };

  return (
    <div className="space-y-4 border-t border-line pt-5">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <Button onClick={start} busy={check.isPending}>
          {!check.isPending && <Stethoscope aria-hidden className="size-4" />}
          Check {service.title.toLowerCase()}
        </Button>
        {check.isPending && (
          <Button look="quiet" onClick={stop}>
            Stop checking
          </Button>
        )}
        <p role="status" className="text-[0.9375rem] text-soft">
          {check.isPending && <>Asking {provider.label}: name, connection, models, one real request…</>}
          {applied && !check.isPending && (
            <>Filled in: {Object.keys(applied.values).map(form.labelOf).join(", ")}.</>
          )}
          {!check.isPending &&
            !check.data &&
            !check.error &&
            "Asks the server with the values above, saved or not."}
        </p>
        {check.isPending && <Elapsed />}
      </div>
      {check.error && !check.isPending && (
        <ErrorNote error={check.error} title="The check itself did not run." onRetry={start} />
      )}
      {check.data && !check.isPending && (
        <CheckReport
          result={check.data}
          providerLabel={provider.label}
          stale={stale}
          onApply={apply}
          onAgain={start}
        />
      )}
    </div>
  );
}
