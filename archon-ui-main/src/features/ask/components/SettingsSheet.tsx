import { useState } from "react";
import { count } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Field } from "@/shared/ui/Field";
import { Sheet } from "@/shared/ui/Sheet";
import { useLimits } from "../api/conversations";
import { type ChatSettings, DEFAULT_SETTINGS } from "../api/schemas";
import type { Changes } from "../hooks/useChatSettings";
import { type NumberName, numberFields, problemOf } from "../sampling";
import { ModelPicker } from "./ModelPicker";

interface SettingsSheetProps {
  open: boolean;
  settings: ChatSettings;
  onChange: (changes: Changes) => void;
  onClose: () => void;
}

/** How this conversation is answered: model, instructions, sampling. Nothing is saved before "Use these". */
export function SettingsSheet({ open, settings, onChange, onClose }: SettingsSheetProps) {
  return (
    <Sheet open={open} onClose={onClose} title="This conversation">
      {open && <SettingsForm settings={settings} onChange={onChange} onClose={onClose} />}
    </Sheet>
  );
}

type Typed = Record<NumberName, string>;

function typedOf(settings: ChatSettings): Typed {
  const text = (value: number | null | undefined) => (value == null ? "" : String(value));
  return {
    temperature: text(settings.temperature),
    top_p: text(settings.top_p),
    max_tokens: text(settings.max_tokens),
    seed: text(settings.seed),
    match_count: text(settings.match_count),
  };
}

function SettingsForm({ settings, onChange, onClose }: Omit<SettingsSheetProps, "open">) {
  const [draft, setDraft] = useState(settings);
  const [typed, setTyped] = useState(() => typedOf(settings));
  const [shownProblems, setShownProblems] = useState(false);
  const limits = useLimits(draft, true);
  const fields = numberFields(limits.data?.max_tokens.max ?? null);
  const problems = fields.map((field) => problemOf(field, typed[field.name]));
  const change = (changes: Changes) => setDraft({ ...draft, ...changes });

  const save = () => {
    if (problems.some(Boolean)) return setShownProblems(true);
    const numbers = Object.fromEntries(
      fields.map(({ name }) => [
        name,
        typed[name].trim() === "" ? DEFAULT_SETTINGS[name] : Number(typed[name]),
      ]),
    );
    onChange({ ...draft, ...numbers });
    onClose();
  };
  return (
    <form
      aria-label="Settings of this conversation"
      className="space-y-5"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <ModelPicker settings={draft} onChange={change} />
      {limits.error && <ErrorNote error={limits.error} title="The model's limits are not known." />}
      {limits.data?.max_model_len && (
        <p className="text-sm text-soft">
          {limits.data.model} reads and writes {count(limits.data.max_model_len)} tokens in all.
        </p>
      )}
      <Field label="Instructions" optional help="Said to the model before everything else.">
        {(ids) => (
          <textarea
            {...ids}
            rows={3}
            maxLength={20_000}
            className="input field-sizing-content max-h-72"
            value={draft.system_prompt}
            onChange={({ target }) => change({ system_prompt: target.value })}
          />
        )}
      </Field>
      <div className="grid grid-cols-2 gap-4">
        {fields.map((field, n) => (
          <Field
            key={field.name}
            label={field.label}
            help={field.help}
            error={shownProblems ? problems[n] : null}
          >
            {(ids) => (
              <input
                {...ids}
                inputMode="decimal"
                className="input"
                placeholder={field.placeholder}
                value={typed[field.name]}
                onChange={({ target }) => setTyped({ ...typed, [field.name]: target.value })}
              />
            )}
          </Field>
        ))}
      </div>
      <Field label="Stop texts" optional help="One a line, four at most. The answer ends before one of them.">
        {(ids) => (
          <textarea
            {...ids}
            rows={2}
            className="input field-sizing-content font-mono text-sm"
            value={draft.stop.join("\n")}
            onChange={({ target }) => change({ stop: target.value.split("\n").slice(0, 4) })}
            onBlur={() => change({ stop: draft.stop.filter((one) => one !== "") })}
          />
        )}
      </Field>
      <div className="flex flex-wrap gap-2 border-t border-line pt-4">
        <Button type="submit" look="primary">
          Use these
        </Button>
        <Button onClick={onClose}>Cancel</Button>
      </div>
    </form>
  );
}
