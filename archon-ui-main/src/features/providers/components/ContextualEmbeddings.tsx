import { Field } from "@/shared/ui/Field";
import { Notice } from "@/shared/ui/Notice";
import { CONTEXTS_AT_ONCE, CONTEXTS_WANTED } from "../draft";
import type { SettingsForm } from "../hooks/useSettingsForm";

const ON = ["true", "1", "yes", "on"];

/** Whether a chat model says of each passage where it stands before it is embedded; nothing on a server without it. */
export function ContextualEmbeddings({ form }: { form: SettingsForm }) {
  const saved = form.settings.values[CONTEXTS_WANTED];
  if (!saved) return null;
  const value = form.draft[CONTEXTS_WANTED] ?? saved.value ?? "";
  const wanted = ON.includes(value.toLowerCase());
  const atOnce = form.settings.values[CONTEXTS_AT_ONCE]?.value ?? "";
  const set = (key: string, next: string) => form.dispatch({ type: "set", key, value: next });
  return (
    <div className="space-y-4 border-t border-line pt-5">
      <Field
        label={form.labelOf(CONTEXTS_WANTED)}
        help="A sentence or two from the chat model about where a passage stands in its document, embedded with it. What is shown and cited stays the passage itself."
        error={form.errorAt(CONTEXTS_WANTED)}
      >
        {(ids) => (
          <input
            {...ids}
            type="checkbox"
            className="size-5 accent-accent"
            checked={wanted}
            onChange={(event) => set(CONTEXTS_WANTED, String(event.target.checked))}
          />
        )}
      </Field>
      {wanted && (
        <>
          <Notice tone="warn" role="note" title="This costs one call of the chat model for each passage">
            <p>
              Feeding then takes as long as the chat model takes to answer. It begins with the next refresh of
              a source, which embeds all of its pages anew; the same is true when it is switched off.
            </p>
          </Notice>
          <Field
            label={form.labelOf(CONTEXTS_AT_ONCE)}
            help="At most. Fewer are under way where answers get slower by it."
            error={form.errorAt(CONTEXTS_AT_ONCE)}
            optional
          >
            {(ids) => (
              <input
                {...ids}
                type="text"
                inputMode="numeric"
                className="input font-mono text-sm sm:w-40"
                autoComplete="off"
                value={form.shown(CONTEXTS_AT_ONCE)}
                placeholder={atOnce}
                onChange={(event) => set(CONTEXTS_AT_ONCE, event.target.value)}
              />
            )}
          </Field>
        </>
      )}
    </div>
  );
}
