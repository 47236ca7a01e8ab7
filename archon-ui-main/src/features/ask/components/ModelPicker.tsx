import { useId } from "react";
import { useConnectionModels, useConnections } from "@/features/connections";
import { useSettings } from "@/shared/api/settings";
import { count } from "@/shared/lib/format";
import { Combobox } from "@/shared/ui/Combobox";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Field } from "@/shared/ui/Field";
import type { ChatSettings } from "../api/schemas";
import type { Changes } from "../hooks/useChatSettings";

interface ModelPickerProps {
  settings: ChatSettings;
  onChange: (changes: Changes) => void;
}

/** Which server answers, and with which of the models that it offers at this moment. */
export function ModelPicker({ settings, onChange }: ModelPickerProps) {
  const problemId = useId();
  const { data: connections, error } = useConnections();
  const { data: own } = useSettings();
  const all = connections?.connections ?? [];
  const first = all.find((one) => one.read_only)?.id;
  const id = settings.connection_id ?? connections?.default ?? null;
  const models = useConnectionModels(id, id !== null);
  const gone = connections !== undefined && id !== null && !all.some((one) => one.id === id);
  const modelOf = all.find((one) => one.id === id)?.model ?? (id === first ? own?.services.llm.model : null);
  return (
    <div className="space-y-4">
      {error && <ErrorNote error={error} title="Connections could not be read." />}
      <Field label="Connection" help="Servers are added under Connections.">
        {(ids) => (
          <select
            {...ids}
            className="input"
            value={id ?? ""}
            aria-describedby={gone ? problemId : ids["aria-describedby"]}
            onChange={({ target }) => onChange({ connection_id: target.value, model: null })}
          >
            {gone && <option value={id}>{id} (deleted)</option>}
            {all.map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
          </select>
        )}
      </Field>
      {gone && (
        <p id={problemId} role="alert" className="text-sm font-medium text-bad">
          This connection was deleted. Choose another one to go on.
        </p>
      )}
      <Field
        label="Model"
        optional
        help={modelOf ? `Blank: ${modelOf}.` : "Blank: the connection's own model."}
        error={models.error ? "The server does not tell its models now; a name can be typed." : null}
      >
        {(ids) => (
          <Combobox
            ids={ids}
            value={settings.model ?? ""}
            placeholder={modelOf ?? ""}
            loading={models.isFetching}
            options={(models.data ?? []).map(({ name, max_model_len }) => ({
              value: name,
              note: max_model_len ? `${count(max_model_len)} tokens` : undefined,
            }))}
            emptyText="The server offers no model."
            onChange={(model) => onChange({ model: model.trim() === "" ? null : model })}
          />
        )}
      </Field>
    </div>
  );
}
