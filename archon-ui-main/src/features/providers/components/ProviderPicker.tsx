import { CircleAlert, CircleCheck, CircleDashed, House, LoaderCircle } from "lucide-react";
import { classes } from "@/shared/lib/classes";
import { Word } from "@/shared/ui/Word";
import { useProviderStatus } from "../api/queries";
import type { Provider } from "../api/schemas";
import { missingFields } from "../draft";
import type { SettingsForm } from "../hooks/useSettingsForm";
import type { Service } from "../services";

interface ProviderPickerProps {
  service: Service;
  form: SettingsForm;
  chosen: string | null;
}

/** The providers that can serve `service`, each with its state. */
export function ProviderPicker({ service, form, chosen }: ProviderPickerProps) {
  const able = form.providers.filter((one) => one.capabilities.includes(service.capability));
  const error = form.errorAt(form.settings.provider_keys[service.id]);
  const errorId = `provider-${service.id}-error`;
  return (
    <fieldset aria-describedby={error ? errorId : undefined}>
      <legend className="mb-2 font-medium">Provider for {service.title.toLowerCase()}</legend>
      <div className="grid gap-2.5 xs:grid-cols-2 lg:grid-cols-3">
        {able.map((provider) => (
          <ProviderCard
            key={provider.id}
            provider={provider}
            service={service}
            form={form}
            checked={provider.id === chosen}
          />
        ))}
        {service.optional && <NobodyCard service={service} form={form} checked={chosen === null} />}
      </div>
      {error && (
        <p id={errorId} role="alert" className="mt-2 text-sm font-medium text-bad">
          {error}
        </p>
      )}
    </fieldset>
  );
}

interface ProviderCardProps {
  provider: Provider;
  service: Service;
  form: SettingsForm;
  checked: boolean;
}

/** For a service that Archon works without: nobody does it. */
function NobodyCard({ service, form, checked }: Omit<ProviderCardProps, "provider">) {
  const key = form.settings.provider_keys[service.id];
  const fixed = form.settings.values[key]?.source === "environment";
  return (
    <label className={cardLook(checked)}>
      <span className="flex items-center gap-2.5">
        <input
          type="radio"
          name={`provider-${service.id}`}
          value=""
          checked={checked}
          disabled={fixed}
          aria-describedby={`provider-${service.id}-nobody`}
          aria-label="Nobody"
          onChange={() => form.choose(service, null)}
          className="size-4 accent-accent outline-none"
        />
        <span className="font-semibold">Nobody</span>
      </span>
      <span id={`provider-${service.id}-nobody`} className="text-sm leading-snug text-soft">
        {fixed ? `${key} is set in the environment; remove it there.` : `No ${service.title.toLowerCase()}.`}
      </span>
    </label>
  );
}

function cardLook(checked: boolean): string {
  return classes(
    "flex flex-col gap-1.5 rounded-xl border p-3.5 transition-colors",
    "has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-offset-2 has-[:focus-visible]:outline-accent",
    checked ? "border-accent bg-accent-wash ring-1 ring-accent" : "border-line hover:border-edge",
  );
}

function ProviderCard({ provider, service, form, checked }: ProviderCardProps) {
  const describedBy = `provider-${service.id}-${provider.id}`;
  return (
    <label className={cardLook(checked)}>
      <span className="flex items-center gap-2.5">
        <input
          type="radio"
          name={`provider-${service.id}`}
          value={provider.id}
          checked={checked}
          aria-describedby={describedBy}
          aria-label={provider.label}
          onChange={() => form.choose(service, provider.id)}
          className="size-4 accent-accent outline-none"
        />
        <span className="font-semibold">{provider.label}</span>
        {provider.local && <House aria-hidden className="ml-auto size-4 text-soft" />}
      </span>
      <span id={describedBy} className="flex flex-1 flex-col gap-2">
        <span
          className={classes(
            "flex-1 text-sm leading-snug text-soft xs:block",
            // On a phone only the chosen one speaks of itself; the others would be a long way to scroll.
            !checked && "hidden",
          )}
        >
          {provider.summary}
          {provider.local && <span className="sr-only"> Runs on your own machines.</span>}
        </span>
        <span>
          <ProviderState provider={provider} service={service} form={form} />
        </span>
      </span>
    </label>
  );
}

function ProviderState({ provider, service, form }: Omit<ProviderCardProps, "checked">) {
  const inUse = form.settings.services[service.id].provider === provider.id;
  const missing = missingFields(form.settings, form.draft, provider, service)[0];
  // Asking a server that nobody uses would be noise, and for a cloud a request nobody wanted.
  const status = useProviderStatus(inUse && !missing ? provider.id : null, service.id);
  if (missing) return <Word Icon={CircleDashed}>Needs: {missing.label}</Word>;
  if (!inUse) return <Word Icon={CircleDashed}>Can be chosen</Word>;
  if (status.data?.ok) {
    return (
      <Word tone="good" Icon={CircleCheck}>
        In use, answers
      </Word>
    );
  }
  if (status.data || status.error) {
    return (
      <Word tone="bad" Icon={CircleAlert}>
        In use, does not answer
      </Word>
    );
  }
  return (
    <Word Icon={LoaderCircle} spin>
      In use, asking…
    </Word>
  );
}
