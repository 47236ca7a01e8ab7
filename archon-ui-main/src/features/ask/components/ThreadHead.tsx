import * as Popover from "@radix-ui/react-popover";
import { Download, Keyboard, Pencil, SlidersHorizontal } from "lucide-react";
import { useState } from "react";
import { useConnections } from "@/features/connections";
import { useSettings } from "@/shared/api/settings";
import { Button, buttonClasses, IconButton } from "@/shared/ui/Button";
import { toast } from "@/shared/ui/toast";
import { type ExportKind, useChangeConversation, useExport } from "../api/conversations";
import type { ChatSettings } from "../api/schemas";

interface ThreadHeadProps {
  conversationId: string | null;
  title: string | null;
  settings: ChatSettings;
  onSettings: () => void;
  onShortcuts: () => void;
}

/** The conversation's name, who answers in it, and what can be done with the whole of it. */
export function ThreadHead({ conversationId, title, settings, onSettings, onShortcuts }: ThreadHeadProps) {
  return (
    <header className="flex flex-wrap items-center gap-x-2 gap-y-1 border-b border-line py-2.5">
      {conversationId === null ? (
        <h1 className="mr-auto text-[0.9375rem] font-medium text-soft">New conversation</h1>
      ) : (
        <Title conversationId={conversationId} title={title} />
      )}
      <Button small look="quiet" onClick={onSettings} aria-haspopup="dialog">
        <SlidersHorizontal aria-hidden className="size-4" />
        <span className="sr-only">Settings of this conversation, </span>
        <span className="max-w-44 truncate">
          <ModelName settings={settings} />
        </span>
      </Button>
      {conversationId !== null && <ExportMenu conversationId={conversationId} />}
      <span className="hidden sm:inline">
        <IconButton label="Keyboard shortcuts" onClick={onShortcuts}>
          <Keyboard aria-hidden className="size-4" />
        </IconButton>
      </span>
    </header>
  );
}

function ModelName({ settings: { connection_id, model } }: { settings: ChatSettings }) {
  const { data: own } = useSettings();
  const { data } = useConnections();
  const connection = data?.connections.find((one) => one.id === (connection_id ?? data.default));
  const fromSettings = connection === data?.connections.find((one) => one.read_only);
  if (connection_id && data && !connection) return <span className="text-bad">Deleted connection</span>;
  // The default one needs no name.
  const parts = [
    connection_id ? connection?.name : null,
    model ?? connection?.model ?? (fromSettings ? own?.services.llm.model : null),
  ];
  return parts.filter(Boolean).join(" · ") || "Model";
}

function Title({ conversationId, title }: { conversationId: string; title: string | null }) {
  const [text, setText] = useState<string | null>(null);
  const change = useChangeConversation(conversationId);
  const save = () => {
    const next = text?.trim();
    setText(null);
    if (next && next !== title)
      change.mutate({ title: next }, { onError: (error) => toast("bad", `Not renamed: ${error.message}`) });
  };
  if (text !== null) {
    return (
      <form
        className="mr-auto min-w-0 flex-1"
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <input
          // biome-ignore lint/a11y/noAutofocus: whoever asked to rename wants to type
          autoFocus
          aria-label="Name of the conversation"
          maxLength={200}
          className="input min-h-9 py-1"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onBlur={save}
          onKeyDown={(event) => event.key === "Escape" && setText(null)}
        />
      </form>
    );
  }
  const shown = change.isPending ? (change.variables.title ?? title) : title;
  return (
    <div className="mr-auto flex min-w-0 items-center gap-1">
      <h1 className="min-w-0 truncate text-[0.9375rem] font-medium">{shown || "Untitled"}</h1>
      <IconButton label="Rename the conversation" onClick={() => setText(title ?? "")} className="size-8">
        <Pencil aria-hidden className="size-3.5" />
      </IconButton>
    </div>
  );
}

const KINDS: readonly { kind: ExportKind; label: string }[] = [
  { kind: "markdown", label: "Markdown, as it is shown" },
  { kind: "json", label: "JSON, with all versions" },
];

function ExportMenu({ conversationId }: { conversationId: string }) {
  const [open, setOpen] = useState(false);
  const exporting = useExport(conversationId);
  const save = (kind: ExportKind) => {
    setOpen(false);
    exporting.mutate(kind, { onError: (error) => toast("bad", `Not exported: ${error.message}`) });
  };
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger className={buttonClasses("quiet", true)} aria-busy={exporting.isPending || undefined}>
        <Download aria-hidden className="size-4" /> Export
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="end"
          sideOffset={6}
          collisionPadding={12}
          aria-label="Export"
          className="card z-50 w-64 animate-rise p-1.5 shadow-float"
        >
          {KINDS.map(({ kind, label }) => (
            <Button
              key={kind}
              small
              look="quiet"
              className="w-full justify-start text-ink"
              onClick={() => save(kind)}
            >
              {label}
            </Button>
          ))}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
