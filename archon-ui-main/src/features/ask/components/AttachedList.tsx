import { X } from "lucide-react";
import { plural, shortUrl } from "@/shared/lib/format";
import { Button, IconButton } from "@/shared/ui/Button";
import { useAttached } from "../api/conversations";
import type { ChatSettings } from "../api/schemas";
import type { Changes } from "../hooks/useChatSettings";

interface AttachedListProps {
  settings: ChatSettings;
  onDetach: (changes: Changes) => void;
}

/** What is attached, however long ago, with what became of it. */
export function AttachedList({ settings, onDetach }: AttachedListProps) {
  const { data } = useAttached(settings);
  const { pages, pinned_sources } = settings;
  const count = pages.length + pinned_sources.length;
  if (count === 0 || !data) return null;
  const rows = [
    ...pages.map((id) => ({ kind: "page" as const, id })),
    ...pinned_sources.map((id) => ({ kind: "source" as const, id })),
  ].map((row) => {
    const found = data.find(({ kind, id }) => kind === row.kind && id === row.id);
    const name = found ? found.title || shortUrl(found.url ?? found.id) : "Not stored any more";
    const size = found?.kind === "source" ? "Whole source" : plural(found?.passages ?? 0, "passage");
    return { ...row, name, size: found ? size : `It was deleted, and goes into no answer. (${row.id})` };
  });
  const without = (kind: "page" | "source", gone: string): Changes =>
    kind === "page"
      ? { pages: pages.filter((id) => id !== gone) }
      : { pinned_sources: pinned_sources.filter((id) => id !== gone) };
  return (
    <section aria-label="Attached" className="space-y-1 rounded-xl bg-sunken p-2">
      <ul className="max-h-[25vh] overflow-y-auto">
        {rows.map(({ kind, id, name, size }) => (
          <li key={`${kind} ${id}`} className="flex items-center gap-2 px-2">
            <span className="min-w-0 flex-1 py-1">
              <span className="line-clamp-1 font-medium">{name}</span>
              <span className="line-clamp-1 text-[0.8125rem] text-soft">{size}</span>
            </span>
            <IconButton label={`Take away ${name}`} onClick={() => onDetach(without(kind, id))}>
              <X aria-hidden className="size-4" />
            </IconButton>
          </li>
        ))}
      </ul>
      {count > 1 && (
        <Button small look="quiet" onClick={() => onDetach({ pages: [], pinned_sources: [] })}>
          Detach all {count}
        </Button>
      )}
    </section>
  );
}
