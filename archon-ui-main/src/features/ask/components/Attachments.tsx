import { Paperclip, Plus, X } from "lucide-react";
import { useRef, useState } from "react";
import { useAllSources } from "@/features/knowledge";
import { plural, shortUrl } from "@/shared/lib/format";
import { Button, IconButton } from "@/shared/ui/Button";
import { Dialog } from "@/shared/ui/Dialog";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { usePageNames } from "../api/conversations";
import type { ChatSettings } from "../api/schemas";
import type { Changes } from "../hooks/useChatSettings";
import { AttachedList } from "./AttachedList";

interface AttachmentsProps {
  settings: ChatSettings;
  onChange: (changes: Changes) => void;
}

/** Pages and sources that go into the context whatever is asked. */
export function Attachments({ settings, onChange }: AttachmentsProps) {
  const [open, setOpen] = useState(false);
  const attached = settings.pages.length + settings.pinned_sources.length;
  return (
    <>
      <Button small look="quiet" onClick={() => setOpen(true)} aria-haspopup="dialog">
        <Paperclip aria-hidden className="size-4" />
        {attached > 0 ? plural(attached, "attachment") : "Attach"}
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title="Attachments"
        description="What is attached goes into the model's context with every question, before what is found for it."
      >
        <Chooser settings={settings} onChange={onChange} />
      </Dialog>
    </>
  );
}

interface Row {
  id: string;
  name: string;
  where: string;
  kind: "page" | "source";
}

function Chooser({ settings, onChange }: AttachmentsProps) {
  const [words, setWords] = useState("");
  const search = useRef<HTMLInputElement>(null);
  // Whoever detached something from a list stands on a button that is gone.
  const detach = (changes: Changes) => {
    search.current?.focus();
    onChange(changes);
  };
  const { data: pages, error } = usePageNames(words.trim(), true);
  const { data: sources } = useAllSources(true);
  const has = ({ kind, id }: Row) =>
    (kind === "page" ? settings.pages : settings.pinned_sources).includes(id);
  const toggle = (row: Row) => {
    const list = row.kind === "page" ? settings.pages : settings.pinned_sources;
    const next = has(row) ? list.filter((one) => one !== row.id) : [...list, row.id];
    onChange(row.kind === "page" ? { pages: next } : { pinned_sources: next });
  };
  const low = words.trim().toLowerCase();
  const rows: Row[] = [
    ...(sources ?? [])
      .map(({ source_id, title, url }) => ({
        id: source_id,
        name: title || shortUrl(url),
        where: "Whole source",
        kind: "source" as const,
      }))
      .filter((row) => row.name.toLowerCase().includes(low)),
    ...(pages ?? []).map((page) => ({
      id: page.page_id,
      name: page.title || shortUrl(page.url),
      where: shortUrl(page.url),
      kind: "page" as const,
    })),
  ];
  return (
    <div className="space-y-3">
      <AttachedList settings={settings} onDetach={detach} />
      <input
        ref={search}
        type="search"
        aria-label="Find a page or a source"
        placeholder="Find a page or a source"
        value={words}
        onChange={(event) => setWords(event.target.value)}
        className="input"
      />
      {error && <ErrorNote error={error} />}
      <ul aria-label="Pages and sources" className="max-h-[45vh] space-y-0.5 overflow-y-auto">
        {rows.map((row) => (
          <li
            key={`${row.kind} ${row.id}`}
            className="flex items-center gap-2 rounded-lg px-2 hover:bg-sunken"
          >
            <span className="min-w-0 flex-1 py-1.5">
              <span className="line-clamp-1 font-medium">{row.name}</span>
              <span className="line-clamp-1 text-[0.8125rem] text-soft">{row.where}</span>
            </span>
            <IconButton
              label={`${has(row) ? "Detach" : "Attach"} ${spoken(row)}`}
              onClick={() => toggle(row)}
            >
              {has(row) ? <X aria-hidden className="size-4" /> : <Plus aria-hidden className="size-4" />}
            </IconButton>
          </li>
        ))}
        {rows.length === 0 && <li className="p-2 text-soft">Nothing of that name is stored.</li>}
      </ul>
    </div>
  );
}

/** A source is often called as its page is. */
function spoken({ kind, name }: Row): string {
  return kind === "source" ? `the whole source ${name}` : name;
}
