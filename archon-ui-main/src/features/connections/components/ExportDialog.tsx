import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useState } from "react";
import { saveFile } from "@/shared/lib/saveFile";
import { Button } from "@/shared/ui/Button";
import { Dialog } from "@/shared/ui/Dialog";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { exported } from "../api/queries";

interface ExportDialogProps {
  open: boolean;
  onClose: () => void;
}

/** Writes llm_connections.json; keys go along only where somebody says so. */
export function ExportDialog({ open, onClose }: ExportDialogProps) {
  const [withKeys, setWithKeys] = useState(false);
  const write = useMutation({
    mutationFn: async () => saveFile("llm_connections.json", await exported(withKeys), "application/json"),
    onSuccess: onClose,
  });
  return (
    <Dialog
      open={open}
      onOpenChange={(next) => !next && onClose()}
      title="Export connections"
      description="All stored connections as llm_connections.json. Those of Settings are not among them."
    >
      <div className="space-y-4">
        <label className="flex items-start gap-2.5">
          <input
            type="checkbox"
            className="mt-0.5 size-5 shrink-0 accent-accent"
            checked={withKeys}
            onChange={(event) => setWithKeys(event.target.checked)}
          />
          <span>
            With API keys
            <span className="block text-sm text-soft">
              Whoever gets the file can read and use them. Without, keys are entered again after the import.
            </span>
          </span>
        </label>
        {write.error && <ErrorNote error={write.error} title="Nothing was exported." />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" onClick={() => write.mutate()} busy={write.isPending}>
            {!write.isPending && <Download aria-hidden className="size-4" />} Download
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
