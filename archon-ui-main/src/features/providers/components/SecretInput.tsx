import { KeyRound, TriangleAlert } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Button } from "@/shared/ui/Button";
import type { FieldIds } from "@/shared/ui/Field";
import type { ProviderField } from "../api/schemas";
import type { SettingsForm } from "../hooks/useSettingsForm";

interface SecretInputProps {
  field: ProviderField;
  form: SettingsForm;
  ids: FieldIds;
}

/** A secret is never shown: only that it is set, where it comes from, and how to replace or remove it. */
export function SecretInput({ field, form, ids }: SecretInputProps) {
  const [replacing, setReplacing] = useState(false);
  const saved = form.settings.values[field.key];
  const draft = form.draft[field.key];
  const lost = saved?.state === "must_be_entered_again";
  const isSet = saved?.has_value === true && !lost;
  // An emptied input means "no new secret"; removing is a button of its own.
  const type = (value: string) =>
    form.dispatch(value === "" ? { type: "keep", key: field.key } : { type: "set", key: field.key, value });
  const keep = () => {
    setReplacing(false);
    form.dispatch({ type: "keep", key: field.key });
  };

  if (isSet && draft === null && !replacing) {
    return (
      <Row label={field.label} text="Will be removed when you save.">
        <Button small onClick={keep}>
          Keep <span className="sr-only">{field.label}</span>
        </Button>
      </Row>
    );
  }
  if (isSet && typeof draft !== "string" && !replacing) {
    const source = saved.source === "database" ? "saved here" : "from the environment";
    return (
      <Row label={field.label} text={`Set, ${source}`}>
        <Button small aria-describedby={ids["aria-describedby"]} onClick={() => setReplacing(true)}>
          Replace <span className="sr-only">{field.label}</span>
        </Button>
        {saved.source === "database" && (
          <Button small look="quiet" onClick={() => form.dispatch({ type: "remove", key: field.key })}>
            Remove <span className="sr-only">{field.label}</span>
          </Button>
        )}
      </Row>
    );
  }
  return (
    <div className="space-y-1.5">
      {lost && (
        <p className="flex gap-2 text-sm text-warn">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
          Must be entered again: the stored one was encrypted with a key that is gone.
        </p>
      )}
      <div className="flex gap-2">
        <input
          {...ids}
          type="password"
          autoComplete="new-password"
          className="input font-mono text-sm"
          placeholder={field.placeholder}
          value={draft ?? ""}
          ref={replacing ? focusOnce : undefined}
          onChange={(event) => type(event.target.value)}
        />
        {isSet && <Button onClick={keep}>Keep old</Button>}
      </div>
    </div>
  );
}

function focusOnce(input: HTMLInputElement | null): void {
  input?.focus();
}

interface RowProps {
  label: string;
  text: string;
  children: ReactNode;
}

function Row({ label, text, children }: RowProps) {
  return (
    <fieldset className="flex min-h-[2.625rem] flex-wrap items-center gap-2 rounded-[0.625rem] border border-line bg-sunken py-1 pl-3 pr-1.5">
      <legend className="sr-only">{label}</legend>
      <KeyRound aria-hidden className="size-4 text-soft" />
      <span className="text-[0.9375rem]">{text}</span>
      <span className="ml-auto flex gap-1">{children}</span>
    </fieldset>
  );
}
