import { type FormEvent, useState } from "react";
import { ApiError } from "@/shared/api/errors";
import type { SettingValue } from "@/shared/api/settings";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Field } from "@/shared/ui/Field";
import { useSaveChain } from "../api/queries";

export const SWITCH = "ENABLE_FALLBACK";
export const ORDER = "FALLBACK_CHAIN";

interface ChainFormProps {
  values: Record<string, SettingValue>;
  onDone: () => void;
}

/** Whether others are asked, and who, in which order. */
export function ChainForm({ values, onDone }: ChainFormProps) {
  const [asked, setAsked] = useState(isOn(values[SWITCH]?.value));
  const [order, setOrder] = useState(values[ORDER]?.value ?? "");
  const save = useSaveChain();
  const refusal =
    save.error instanceof ApiError && save.error.body.field === ORDER ? save.error.message : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate({ [SWITCH]: String(asked), [ORDER]: order.trim() || null }, { onSuccess: onDone });
  };
  return (
    <form onSubmit={submit} className="card mt-3 space-y-4 px-4 py-4 sm:px-5">
      <Field
        label="Ask other providers when the chosen one cannot answer"
        help="Only for answers. A question is embedded elsewhere only by the same model."
      >
        {(ids) => (
          <input
            {...ids}
            type="checkbox"
            className="size-5 accent-accent"
            checked={asked}
            onChange={(event) => setAsked(event.target.checked)}
          />
        )}
      </Field>
      <Field
        label="Providers to ask then"
        help="Their names in this order, separated by commas. Their keys and addresses are those in Settings."
        error={refusal}
      >
        {(ids) => (
          <input
            {...ids}
            type="text"
            className="input font-mono text-sm"
            autoComplete="off"
            spellCheck={false}
            value={order}
            onChange={(event) => setOrder(event.target.value)}
          />
        )}
      </Field>
      {save.error && !refusal && <ErrorNote error={save.error} />}
      <div className="flex gap-2">
        <Button type="submit" look="primary" busy={save.isPending}>
          Save
        </Button>
        <Button look="quiet" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

function isOn(value: string | null | undefined): boolean {
  return ["true", "1", "yes", "on"].includes((value ?? "").toLowerCase());
}
