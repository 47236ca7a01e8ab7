import { Radar, Stethoscope } from "lucide-react";
import type { FormEvent } from "react";
import { CheckReport } from "@/features/providers";
import { plural } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { useCheckDraft, useDetect } from "../api/queries";
import type { Connection, ConnectionList, Detected } from "../api/schemas";
import { useConnectionForm } from "../hooks/useConnectionForm";
import { ConnectionField } from "./ConnectionField";

interface ConnectionEditorProps {
  list: ConnectionList;
  /** Null: a new one. */
  connection: Connection | null;
  onSaved: (saved: Connection) => void;
  onCancel: () => void;
}

/** A connection being made or changed, with what its server says to it before it is saved. */
export function ConnectionEditor({ list, connection, onSaved, onCancel }: ConnectionEditorProps) {
  const form = useConnectionForm(list, connection);
  const detect = useDetect();
  const check = useCheckDraft();
  const address = String(form.draft.base_url ?? "").trim();
  const asked = { id: form.id, values: form.values };
  const stale = check.data != null && JSON.stringify(check.variables) !== JSON.stringify(asked);

  const ask = () =>
    detect.mutate(
      { base_url: address, api_key: form.secrets.api_key ?? null },
      { onSuccess: ({ values }) => form.dispatch({ type: "fill", values }) },
    );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    form.save(onSaved);
  };

  return (
    <form onSubmit={submit} className="space-y-5" noValidate>
      <div className="grid gap-x-4 gap-y-5 sm:grid-cols-2">
        {list.fields.map((field) => (
          <ConnectionField key={field.key} field={field} form={form} />
        ))}
      </div>
      <div className="flex flex-wrap gap-2 border-t border-line pt-4">
        <Button onClick={ask} busy={detect.isPending} disabled={address === ""}>
          {!detect.isPending && <Radar aria-hidden className="size-4" />} Detect
        </Button>
        <Button onClick={() => check.mutate(asked)} busy={check.isPending}>
          {!check.isPending && <Stethoscope aria-hidden className="size-4" />} Check
        </Button>
      </div>
      {detect.data && !detect.isPending && <Found found={detect.data} />}
      {detect.error && <ErrorNote error={detect.error} title="No kind of server was recognised." />}
      {check.error && !check.isPending && <ErrorNote error={check.error} title="The check did not run." />}
      {check.data && !check.isPending && (
        <CheckReport
          result={check.data}
          providerLabel={String(form.draft.name || "The connection")}
          stale={stale}
          onApply={(fix) => form.dispatch({ type: "fill", values: fix.values })}
          onAgain={() => check.mutate(asked)}
        />
      )}
      {form.error && <ErrorNote error={form.error} title="Nothing was saved." />}
      <div className="flex flex-wrap justify-end gap-2 border-t border-line pt-4">
        <Button onClick={onCancel}>Cancel</Button>
        <Button type="submit" look="primary" busy={form.saving}>
          {connection ? "Save" : "Add"}
        </Button>
      </div>
    </form>
  );
}

function Found({ found }: { found: Detected }) {
  const what = `${found.label}${found.version ? ` ${found.version}` : ""}`;
  if (found.problem)
    return <ErrorNote error={found.problem} title={`This is ${what}, but it cannot chat.`} />;
  return (
    <Notice tone="good" role="status">
      This is {what}; it offers {plural(found.models.length, "model")}
      {found.models.length > 0 && <>: {found.models.map((model) => model.name).join(", ")}</>}.
    </Notice>
  );
}
