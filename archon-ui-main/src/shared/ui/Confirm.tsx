import type { ReactNode } from "react";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { ErrorNote } from "./ErrorNote";

interface ConfirmProps {
  open: boolean;
  title: string;
  children: ReactNode;
  confirmLabel: string;
  cancelLabel?: string;
  danger?: boolean;
  busy?: boolean;
  error?: Error | null;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Asks before something that cannot be taken back. The safe answer comes first and has the focus. */
export function Confirm(props: ConfirmProps) {
  return (
    <Dialog open={props.open} onOpenChange={(open) => !open && props.onCancel()} title={props.title}>
      <div className="space-y-4">
        <div className="space-y-2">{props.children}</div>
        {props.error && <ErrorNote error={props.error} />}
        <div className="flex flex-wrap justify-end gap-2 pt-1">
          <Button autoFocus onClick={props.onCancel}>
            {props.cancelLabel ?? "Cancel"}
          </Button>
          <Button look={props.danger ? "danger" : "primary"} busy={props.busy} onClick={props.onConfirm}>
            {props.confirmLabel}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
