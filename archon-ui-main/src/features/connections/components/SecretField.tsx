import { KeyRound } from "lucide-react";
import { useState } from "react";
import { Button } from "@/shared/ui/Button";
import type { FieldIds } from "@/shared/ui/Field";
import type { ProviderField } from "../api/schemas";
import type { ConnectionForm } from "../hooks/useConnectionForm";

interface SecretFieldProps {
  field: ProviderField;
  form: ConnectionForm;
  ids: FieldIds;
}

/** A stored key is never shown: only that there is one, and how to replace or remove it. */
export function SecretField({ field, form, ids }: SecretFieldProps) {
  const [replacing, setReplacing] = useState(false);
  const typed = form.secrets[field.key];
  const isStored = form.connection?.has_key === true;
  const tell = (value: string | null | undefined) => form.dispatch({ type: "secret", key: field.key, value });

  if (isStored && typed === null) {
    return (
      <Stored label={field.label} text="Will be removed when you save.">
        <Button small onClick={() => tell(undefined)}>
          Keep it
        </Button>
      </Stored>
    );
  }
  if (isStored && !replacing) {
    return (
      <Stored label={field.label} text="Stored">
        <Button small aria-describedby={ids["aria-describedby"]} onClick={() => setReplacing(true)}>
          Replace <span className="sr-only">{field.label}</span>
        </Button>
        <Button small look="quiet" onClick={() => tell(null)}>
          Remove <span className="sr-only">{field.label}</span>
        </Button>
      </Stored>
    );
  }
  return (
    <div className="flex gap-2">
      <input
        {...ids}
        type="password"
        autoComplete="new-password"
        className="input font-mono text-sm"
        value={typed ?? ""}
        ref={replacing ? (input) => input?.focus() : undefined}
        onChange={(event) => tell(event.target.value || undefined)}
      />
      {isStored && (
        <Button
          onClick={() => {
            setReplacing(false);
            tell(undefined);
          }}
        >
          Keep old
        </Button>
      )}
    </div>
  );
}

interface StoredProps {
  label: string;
  text: string;
  children: React.ReactNode;
}

function Stored({ label, text, children }: StoredProps) {
  return (
    <fieldset className="flex min-h-[2.625rem] flex-wrap items-center gap-2 rounded-[0.625rem] border border-line bg-sunken py-1 pl-3 pr-1.5">
      <legend className="sr-only">{label}</legend>
      <KeyRound aria-hidden className="size-4 text-soft" />
      <span className="text-[0.9375rem]">{text}</span>
      <span className="ml-auto flex gap-1">{children}</span>
    </fieldset>
  );
}
