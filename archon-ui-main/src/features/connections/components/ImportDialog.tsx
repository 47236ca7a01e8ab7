import { FileJson } from "lucide-react";
import { type DragEvent, useState } from "react";
import { classes } from "@/shared/lib/classes";
import { Button } from "@/shared/ui/Button";
import { Dialog } from "@/shared/ui/Dialog";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { useImport } from "../api/queries";
import type { Imported } from "../api/schemas";

interface ImportDialogProps {
  open: boolean;
  onClose: () => void;
}

/** Takes over a llm_connections.json, dropped or chosen: all of it, or nothing. */
export function ImportDialog({ open, onClose }: ImportDialogProps) {
  const [keep, setKeep] = useState(false);
  const [over, setOver] = useState(false);
  const take = useImport();
  const close = () => {
    take.reset();
    onClose();
  };
  const read = (files: FileList | null) => {
    const file = files?.[0];
    if (file) take.mutate({ file, keep });
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    read(event.dataTransfer.files);
  };
  return (
    <Dialog
      open={open}
      onOpenChange={(next) => !next && close()}
      title="Import connections"
      description="A llm_connections.json of another Archon. A file with a mistake is not taken over at all."
    >
      <div className="space-y-4">
        <label
          onDragOver={(event) => {
            event.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => setOver(false)}
          onDrop={drop}
          className={classes(
            "flex cursor-pointer flex-col items-center gap-1 rounded-xl border-2 border-dashed px-4 py-8 text-center transition-colors",
            "has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-accent",
            over ? "border-accent bg-accent-wash" : "border-edge/50 hover:border-edge",
          )}
        >
          <FileJson aria-hidden className="mb-1 size-7 text-accent" />
          <span className="font-medium">
            {take.isPending ? "Reading…" : "Drop the file here, or choose it"}
          </span>
          <input
            type="file"
            accept=".json,application/json"
            aria-label="Choose a connections file"
            className="sr-only"
            onChange={(event) => {
              read(event.target.files);
              event.target.value = "";
            }}
          />
        </label>
        <label className="flex items-center gap-2.5">
          <input
            type="checkbox"
            className="size-5 accent-accent"
            checked={keep}
            onChange={(event) => setKeep(event.target.checked)}
          />
          Leave connections that are here already as they are
        </label>
        {take.error && <ErrorNote error={take.error} title="Nothing was imported." />}
        {take.data && <Result done={take.data} />}
        <div className="flex justify-end">
          <Button onClick={close} look={take.data ? "primary" : "secondary"}>
            {take.data ? "Done" : "Cancel"}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function Result({ done }: { done: Imported }) {
  const rows: [string, string[]][] = [
    ["Created", done.created],
    ["Replaced", done.replaced],
    ["Left as they were", done.kept],
    ["Without their former key, because the address changed", done.keys_dropped],
    ["Not understood and ignored", done.ignored],
  ];
  const told = rows.filter(([, names]) => names.length > 0);
  return (
    <Notice tone={done.keys_dropped.length > 0 ? "warn" : "good"} role="status" title="Imported.">
      {told.length === 0 && <p>The file holds no connection.</p>}
      {told.map(([what, names]) => (
        <p key={what}>
          {what}: <span className="font-medium">{names.join(", ")}</span>
        </p>
      ))}
    </Notice>
  );
}
