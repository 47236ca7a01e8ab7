import { Field, type FieldIds } from "@/shared/ui/Field";
import type { Provider, ProviderField } from "../api/schemas";
import type { SettingsForm } from "../hooks/useSettingsForm";
import type { Service } from "../services";
import { ModelInput } from "./ModelInput";
import { SecretInput } from "./SecretInput";

export interface SettingFieldProps {
  field: ProviderField;
  provider: Provider;
  service: Service;
  form: SettingsForm;
}

const SOURCES = { database: "saved here", environment: "from the environment", default: "default" } as const;

/** One setting, drawn from its declaration. */
export function SettingField(props: SettingFieldProps) {
  const { field, form } = props;
  const saved = form.settings.values[field.key];
  const changed = field.key in form.changed;
  const aside = changed ? "not saved yet" : saved?.has_value ? SOURCES[saved.source] : null;
  return (
    <Field
      label={field.label}
      help={field.help}
      error={form.errorAt(field.key)}
      optional={!field.required}
      aside={field.kind === "secret" ? null : aside}
      className={field.kind === "url" ? "sm:col-span-2" : undefined}
    >
      {(ids) => <Control {...props} ids={ids} />}
    </Field>
  );
}

function Control(props: SettingFieldProps & { ids: FieldIds }) {
  const { field, form, ids } = props;
  const value = form.shown(field.key);
  const set = (next: string) => form.dispatch({ type: "set", key: field.key, value: next });
  const preset = field.default ?? "";
  switch (field.kind) {
    case "secret":
      return <SecretInput field={field} form={form} ids={ids} />;
    case "model":
      return <ModelInput {...props} />;
    case "choice":
      return (
        <select
          {...ids}
          className="input"
          value={value || preset}
          onChange={(event) => set(event.target.value)}
        >
          {!value && !preset && <option value="">Choose…</option>}
          {field.choices.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      );
    case "switch":
      return (
        <input
          {...ids}
          type="checkbox"
          className="size-5 accent-accent"
          checked={(value || preset) === "true"}
          onChange={(event) => set(String(event.target.checked))}
        />
      );
    default:
      return (
        <input
          {...ids}
          type="text"
          inputMode={field.kind === "integer" ? "numeric" : field.kind === "url" ? "url" : "text"}
          className="input font-mono text-sm"
          autoComplete="off"
          spellCheck={false}
          required={field.required}
          value={value}
          placeholder={preset || field.placeholder}
          onChange={(event) => set(event.target.value)}
        />
      );
  }
}
