import { Download, Plug, Plus, Upload } from "lucide-react";
import { useState } from "react";
import { Button } from "@/shared/ui/Button";
import { Confirm } from "@/shared/ui/Confirm";
import { Dialog } from "@/shared/ui/Dialog";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Page } from "@/shared/ui/Page";
import { Skeleton } from "@/shared/ui/Skeleton";
import { toast } from "@/shared/ui/toast";
import { useConnections, useDeleteConnection } from "../api/queries";
import type { Connection, ConnectionList } from "../api/schemas";
import { ConnectionEditor } from "./ConnectionEditor";
import { ConnectionRow } from "./ConnectionRow";
import { ExportDialog } from "./ExportDialog";
import { ImportDialog } from "./ImportDialog";

type Opened =
  | { what: "none" | "import" | "export" | "add" }
  | { what: "edit" | "delete"; connection: Connection };

const CLOSED: Opened = { what: "none" };

/** Every model server that Archon can talk to, by name. */
export function ConnectionsPage() {
  const { data, error, refetch } = useConnections();
  const [opened, setOpened] = useState<Opened>(CLOSED);
  const close = () => setOpened(CLOSED);
  return (
    <Page
      title="Connections"
      lead="Model servers by name: for conversations and code help, beside the ones that Settings choose."
      actions={
        <div className="flex flex-wrap gap-2">
          <Button onClick={() => setOpened({ what: "import" })}>
            <Upload aria-hidden className="size-4" /> Import
          </Button>
          <Button onClick={() => setOpened({ what: "export" })}>
            <Download aria-hidden className="size-4" /> Export
          </Button>
          <Button look="primary" onClick={() => setOpened({ what: "add" })}>
            <Plus aria-hidden className="size-4" /> Add connection
          </Button>
        </div>
      }
    >
      {error && (
        <ErrorNote error={error} title="Connections cannot be shown." onRetry={() => void refetch()} />
      )}
      {!data && !error && <Skeleton rows={3} shape="h-28" label="Loading connections" />}
      {data && <List list={data} onOpen={setOpened} />}
      <ImportDialog open={opened.what === "import"} onClose={close} />
      <ExportDialog open={opened.what === "export"} onClose={close} />
      {data && (opened.what === "add" || opened.what === "edit") && (
        <Editor list={data} connection={opened.what === "edit" ? opened.connection : null} onClose={close} />
      )}
      {opened.what === "delete" && <Delete connection={opened.connection} onClose={close} />}
    </Page>
  );
}

function List({ list, onOpen }: { list: ConnectionList; onOpen: (opened: Opened) => void }) {
  const stored = list.connections.some((one) => !one.read_only);
  return (
    <>
      <ul aria-label="Connections" className="space-y-3">
        {list.connections.map((connection) => (
          <ConnectionRow
            key={connection.id}
            connection={connection}
            onEdit={() => onOpen({ what: "edit", connection })}
            onDelete={() => onOpen({ what: "delete", connection })}
          />
        ))}
      </ul>
      {!stored && (
        <p className="mt-6 flex gap-2 text-soft">
          <Plug aria-hidden className="mt-1 size-4 shrink-0" />
          Add another model server, or import the file of another Archon.
        </p>
      )}
    </>
  );
}

interface EditorProps {
  list: ConnectionList;
  connection: Connection | null;
  onClose: () => void;
}

function Editor({ list, connection, onClose }: EditorProps) {
  const done = (saved: Connection) => {
    toast("good", connection ? `${saved.name} is saved.` : `${saved.name} is added.`);
    onClose();
  };
  return (
    <Dialog
      open
      onOpenChange={(next) => !next && onClose()}
      title={connection ? `Edit ${connection.name}` : "Add a connection"}
      description={connection ? undefined : "Enter an address and press Detect; the rest can stay as it is."}
    >
      <ConnectionEditor list={list} connection={connection} onSaved={done} onCancel={onClose} />
    </Dialog>
  );
}

function Delete({ connection, onClose }: { connection: Connection; onClose: () => void }) {
  const remove = useDeleteConnection();
  const done = () => {
    toast("good", `${connection.name} is deleted.`);
    onClose();
  };
  return (
    <Confirm
      open
      title={`Delete ${connection.name}?`}
      confirmLabel="Delete"
      danger
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate(connection.id, { onSuccess: done })}
      onCancel={onClose}
    >
      <p>
        Its key is deleted too. Conversations that use it are kept; another connection can go on with them.
      </p>
    </Confirm>
  );
}
