import { CircleCheck } from "lucide-react";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import type { SettingsForm } from "../hooks/useSettingsForm";

/** Always in sight: what is not saved yet, and saving it. */
export function SaveBar({ form }: { form: SettingsForm }) {
  const keys = Object.keys(form.changed);
  const unsaved = keys.length > 0;
  const state = unsaved
    ? `Not saved: ${keys.map(form.labelOf).join(", ")}`
    : form.saved
      ? "Saved."
      : "Everything is saved.";
  return (
    <div className="sticky bottom-[4.25rem] z-20 space-y-2 sm:bottom-4">
      {form.error && <ErrorNote error={form.error} title="Nothing was saved." className="shadow-float" />}
      <div className="card flex flex-wrap items-center justify-between gap-3 px-4 py-3 shadow-float sm:px-5">
        <p role="status" className="flex min-w-0 items-center gap-2 text-[0.9375rem]">
          {!unsaved && <CircleCheck aria-hidden className="size-4 shrink-0 text-good" />}
          {state}
        </p>
        <div className="ml-auto flex gap-2">
          {unsaved && <Button onClick={() => form.dispatch({ type: "reset" })}>Discard</Button>}
          <Button type="submit" look="primary" disabled={!unsaved} busy={form.saving}>
            Save changes
          </Button>
        </div>
      </div>
    </div>
  );
}
