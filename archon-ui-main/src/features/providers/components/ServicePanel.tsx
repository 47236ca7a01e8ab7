import type { ReactNode } from "react";
import { inWords } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { chosenProvider, formFields } from "../draft";
import type { SettingsForm } from "../hooks/useSettingsForm";
import { SERVICES, type Service } from "../services";
import { CheckPanel } from "./CheckPanel";
import { ProviderPicker } from "./ProviderPicker";
import { SettingField } from "./SettingField";

interface ServicePanelProps {
  service: Service;
  form: SettingsForm;
  children?: ReactNode;
}

/** One service: who serves it, with what settings, and whether that works. */
export function ServicePanel({ service, form, children }: ServicePanelProps) {
  const id = chosenProvider(form.settings, form.draft, service.id);
  const provider = form.providers.find((one) => one.id === id);
  const saved = form.settings.services[service.id];
  const asSaved = saved.provider === id;
  const shared = sharedWithFirst(service, form, id);
  const fields = provider ? formFields(provider, service) : [];
  const own = shared ? fields.filter((field) => field.capability != null) : fields;
  const headingId = `service-${service.id}`;
  return (
    <section aria-labelledby={headingId} className="card p-5 sm:p-7">
      <h2 id={headingId} className="font-serif text-2xl font-semibold">
        {service.title}
      </h2>
      <p className="mt-0.5 text-soft">{service.purpose}</p>
      <div className="mt-5 space-y-6">
        <ProviderPicker service={service} form={form} chosen={id} />
        {asSaved &&
          saved.warnings.map((warning) => (
            <Notice key={warning.code} tone="warn" role="note" title={warning.message}>
              {warning.next_step && <p>{warning.next_step}</p>}
            </Notice>
          ))}
        {asSaved && saved.problem && Object.keys(form.changed).length === 0 && (
          <ErrorNote error={saved.problem} title={`${service.title}: not usable as it is set up.`} />
        )}
        {provider && (
          <>
            {shared && (
              <p className="rounded-xl bg-sunken px-4 py-3 text-[0.9375rem] text-soft">
                {inWords(shared.map((field) => field.label))}: the same as for{" "}
                {SERVICES[0]?.title.toLowerCase()}, set above.
              </p>
            )}
            {own.length > 0 && (
              <div className="grid gap-5 sm:grid-cols-2">
                {own.map((field) => (
                  <SettingField
                    key={field.key}
                    field={field}
                    provider={provider}
                    service={service}
                    form={form}
                  />
                ))}
              </div>
            )}
            {children}
            <CheckPanel key={provider.id} provider={provider} service={service} form={form} />
          </>
        )}
      </div>
    </section>
  );
}

/** Fields for every service, where the first panel already shows them for the same provider. */
function sharedWithFirst(service: Service, form: SettingsForm, id: string | null) {
  const first = SERVICES[0];
  if (!first || first.id === service.id) return null;
  if (chosenProvider(form.settings, form.draft, first.id) !== id) return null;
  const fields = form.providers
    .find((one) => one.id === id)
    ?.fields.filter((field) => field.capability == null);
  return fields && fields.length > 0 ? fields : null;
}
