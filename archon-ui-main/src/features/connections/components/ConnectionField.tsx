import { useState } from "react";
import { Combobox } from "@/shared/ui/Combobox";
import { Field, type FieldIds } from "@/shared/ui/Field";
import { useDraftModels } from "../api/queries";
import type { ProviderField } from "../api/schemas";
import type { ConnectionForm } from "../hooks/useConnectionForm";
import { SecretField } from "./SecretField";

interface FieldProps {
  field: ProviderField;
  form: ConnectionForm;
}

/** One value of a connection, drawn from its declaration. */
export function ConnectionField({ field, form }: FieldProps) {
  const wide = field.kind === "url" || field.key === "name";
  return (
    <Field
      label={field.label}
      help={field.help}
      error={form.errorAt(field.key)}
      optional={!field.required && field.kind !== "switch"}
      className={wide ? "sm:col-span-2" : undefined}
    >
      {(ids) => <Control field={field} form={form} ids={ids} />}
    </Field>
  );
}

function Control({ field, form, ids }: FieldProps & { ids: FieldIds }) {
  const value = form.draft[field.key] ?? "";
  const set = (next: string | boolean) => form.dispatch({ type: "set", key: field.key, value: next });
  switch (field.kind) {
    case "secret":
      return <SecretField field={field} form={form} ids={ids} />;
    case "model":
      return <ModelField field={field} form={form} ids={ids} />;
    case "choice":
      return (
        <select
          {...ids}
          className="input"
          value={String(value)}
          onChange={(event) => set(event.target.value)}
        >
          <option value="">{form.draft.base_url ? "Any OpenAI-compatible server" : "Choose…"}</option>
          {form.list.providers.map((kind) => (
            <option key={kind.id} value={kind.id}>
              {kind.label}
            </option>
          ))}
        </select>
      );
    case "switch":
      return (
        <input
          {...ids}
          type="checkbox"
          className="block size-5 accent-accent"
          checked={value === true}
          onChange={(event) => set(event.target.checked)}
        />
      );
    default:
      return (
        <input
          {...ids}
          type="text"
          inputMode={field.kind === "integer" ? "numeric" : field.kind === "url" ? "url" : "text"}
          className={field.key === "name" ? "input" : "input font-mono text-sm"}
          autoComplete="off"
          spellCheck={false}
          value={String(value)}
          placeholder={field.default ?? field.placeholder}
          onChange={(event) => set(event.target.value)}
        />
      );
  }
}

/** A model's name: what the server lists, asked when the list is opened, or any other text. */
function ModelField({ field, form, ids }: FieldProps & { ids: FieldIds }) {
  const [wanted, setWanted] = useState(false);
  const served = useDraftModels(form.id, { ...form.values, [field.key]: null }, wanted);
  const options = (served.data ?? []).map(({ name, max_model_len }) => ({
    value: name,
    note: max_model_len ? `${max_model_len.toLocaleString()} tokens` : "served",
  }));
  return (
    <Combobox
      ids={ids}
      value={String(form.draft[field.key] ?? "")}
      placeholder={field.placeholder || "the one that is served"}
      options={options}
      loading={served.isFetching}
      emptyText={
        served.error
          ? `The server could not be asked: ${served.error.message} A name can be typed.`
          : "The server lists nothing of this name. Any name can be typed."
      }
      onOpen={() => setWanted(true)}
      onChange={(value) => form.dispatch({ type: "set", key: field.key, value })}
    />
  );
}
