import { Combobox } from "@/shared/ui/Combobox";
import { Field } from "@/shared/ui/Field";
import { useConnectionModels, useConnections } from "../api/queries";

export interface Picked {
  /** Null: the default connection. */
  connectionId: string | null;
  /** Blank: the connection's own model. */
  model: string;
}

interface ConnectionPickerProps {
  value: Picked;
  onChange: (next: Picked) => void;
}

/** A connection and one of its server's models. */
export function ConnectionPicker({ value, onChange }: ConnectionPickerProps) {
  const { data } = useConnections();
  const connections = data?.connections ?? [];
  const used = connections.find((one) => one.id === (value.connectionId ?? data?.default));
  const gone = data !== undefined && value.connectionId !== null && !used;
  const models = useConnectionModels(used?.id ?? null, used?.ready === true);
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      <Field
        label="Connection"
        error={gone ? "This connection was deleted. Choose another one to go on." : null}
      >
        {(ids) => (
          <select
            {...ids}
            className="input"
            value={value.connectionId ?? ""}
            onChange={(event) => onChange({ connectionId: event.target.value || null, model: "" })}
          >
            <option value="">
              {used && value.connectionId === null ? `Default: ${used.name}` : "The default one"}
            </option>
            {gone && <option value={value.connectionId ?? ""}>{value.connectionId} (deleted)</option>}
            {connections.map((one) => (
              <option key={one.id} value={one.id}>
                {one.read_only ? `${one.name} (Settings)` : one.name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Model" error={used?.problem?.error ?? models.error?.message ?? null}>
        {(ids) => (
          <Combobox
            ids={ids}
            value={value.model}
            placeholder={used?.model ?? "the one that is served"}
            options={(models.data ?? []).map((model) => ({
              value: model.name,
              note: model.max_model_len ? `${model.max_model_len.toLocaleString()} tokens` : "served",
            }))}
            loading={models.isFetching}
            emptyText="The server lists nothing of this name. Any name can be typed."
            onChange={(model) => onChange({ ...value, model })}
          />
        )}
      </Field>
    </div>
  );
}
