import { plural } from "@/shared/lib/format";
import { Confirm } from "@/shared/ui/Confirm";
import { toast } from "@/shared/ui/toast";
import type { Source } from "../api/schemas";
import { useDeleteSource } from "../api/sources";
import { titleOf } from "./SourceRow";

interface DeleteSourceProps {
  source: Source | null;
  onClose: () => void;
  onDeleted?: () => void;
}

/** Asks, deletes, and says so. */
export function DeleteSource({ source, onClose, onDeleted }: DeleteSourceProps) {
  const remove = useDeleteSource();
  const confirm = () => {
    if (!source) return;
    remove.mutate(source, {
      onSuccess: () => {
        toast("good", `Deleted ${titleOf(source)}.`);
        onClose();
        onDeleted?.();
      },
    });
  };
  const cancel = () => {
    remove.reset();
    onClose();
  };
  return (
    <Confirm
      open={source !== null}
      title={`Delete ${source ? titleOf(source) : ""}?`}
      confirmLabel="Delete"
      danger
      busy={remove.isPending}
      error={remove.error}
      onConfirm={confirm}
      onCancel={cancel}
    >
      {source && (
        <p>
          Its {plural(source.page_count, "page")} and {plural(source.document_count, "passage")} go with it.
          Answers given earlier keep the passages they showed.
        </p>
      )}
    </Confirm>
  );
}
