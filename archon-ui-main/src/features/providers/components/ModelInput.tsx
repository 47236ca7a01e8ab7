import { useState } from "react";
import { Combobox, type ComboOption } from "@/shared/ui/Combobox";
import type { FieldIds } from "@/shared/ui/Field";
import { useServedModels } from "../api/queries";
import type { ServedModel } from "../api/schemas";
import { chosenProvider, unsavedValues } from "../draft";
import { declaredModels, type Service } from "../services";
import type { SettingFieldProps } from "./SettingField";

/** A model's name: what the server lists and what is known of the provider, or any other text. */
export function ModelInput({ field, provider, service, form, ids }: SettingFieldProps & { ids: FieldIds }) {
  const [wanted, setWanted] = useState(false);
  const values = unsavedValues(provider, form.draft);
  delete values[field.key];
  const served = useServedModels({ provider: provider.id, service: service.id, values }, wanted);
  const options = merge(served.data ?? [], declaredModels(provider, service));
  const value = form.shown(field.key);
  const discovered = value === "" ? discoveredModel(form, service, provider.id) : null;
  const placeholder = discovered ?? (field.default || field.placeholder || "found on the server");
  return (
    <div className="space-y-1.5">
      <Combobox
        ids={ids}
        value={value}
        placeholder={placeholder}
        options={options}
        loading={served.isFetching}
        emptyText={
          served.error
            ? `The server could not be asked: ${served.error.message} A name can be typed.`
            : "The server lists nothing of this name. Any name can be typed."
        }
        onOpen={() => setWanted(true)}
        onChange={(next) => form.dispatch({ type: "set", key: field.key, value: next })}
      />
      {discovered && (
        <p className="text-sm text-soft">
          Discovered: left blank, <span className="font-mono text-ink">{discovered}</span> is used, the one
          model the server offers.
        </p>
      )}
    </div>
  );
}

function discoveredModel(form: SettingFieldProps["form"], service: Service, provider: string): string | null {
  const saved = form.settings.services[service.id];
  const unchanged =
    chosenProvider(form.settings, form.draft, service.id) === provider && saved.provider === provider;
  return unchanged && saved.model_discovered ? (saved.model ?? null) : null;
}

function merge(served: ServedModel[], declared: ComboOption[]): ComboOption[] {
  const listed = served.map((model) => ({ value: model.name, note: noteOf(model) }));
  const names = new Set(listed.map((option) => option.value));
  return [...listed, ...declared.filter((option) => !names.has(option.value))];
}

function noteOf(model: ServedModel): string {
  if (model.dimensions) return `${model.dimensions} dimensions`;
  return model.max_model_len ? `${model.max_model_len.toLocaleString()} tokens` : "served";
}
