import * as Popover from "@radix-ui/react-popover";
import { ListFilter } from "lucide-react";
import { useState } from "react";
import { useAllSources } from "@/features/knowledge";
import { plural, shortUrl } from "@/shared/lib/format";
import { Button, buttonClasses } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";
import type { ChatSettings } from "../api/schemas";
import type { Changes } from "../hooks/useChatSettings";

interface KnowledgePickerProps {
  settings: ChatSettings;
  onChange: (changes: Changes) => void;
}

function name({ knowledge, source_ids, tags }: ChatSettings): string {
  if (!knowledge) return "Without knowledge";
  const parts = [
    source_ids.length > 0 ? plural(source_ids.length, "source") : null,
    tags.length > 0 ? plural(tags.length, "tag") : null,
  ].filter(Boolean);
  return parts.join(", ") || "All sources";
}

function toggled(list: readonly string[], one: string): string[] {
  return list.includes(one) ? list.filter((other) => other !== one) : [...list, one];
}

/** Whether to look in what is stored, and in which sources and tags; none chosen means all of them. */
export function KnowledgePicker({ settings, onChange }: KnowledgePickerProps) {
  const [open, setOpen] = useState(false);
  const { data: sources, error } = useAllSources(open);
  const { knowledge, source_ids, tags } = settings;
  const known = [...new Set(sources?.flatMap(({ metadata }) => metadata?.tags ?? []) ?? [])].sort();
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger className={buttonClasses("quiet", true)}>
        <ListFilter aria-hidden className="size-4" />
        {name(settings)}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          side="top"
          align="start"
          sideOffset={8}
          collisionPadding={12}
          aria-label="Knowledge to look in"
          className="card z-50 max-h-[26rem] w-80 max-w-[calc(100vw-1.5rem)] animate-rise overflow-y-auto p-2 shadow-float"
        >
          <Choice
            label="Answer from my knowledge"
            checked={knowledge}
            onToggle={() => onChange({ knowledge: !knowledge })}
          />
          <hr className="my-2 border-line" />
          {error && <ErrorNote error={error} />}
          {!sources && !error && <Skeleton rows={3} shape="h-9" label="Loading sources" />}
          {sources?.length === 0 && <p className="p-3 text-soft">No sources are stored yet.</p>}
          <fieldset disabled={!knowledge} className="disabled:opacity-50">
            <legend className="sr-only">Sources</legend>
            {sources?.map((source) => (
              <Choice
                key={source.source_id}
                label={source.title || shortUrl(source.url)}
                checked={source_ids.includes(source.source_id)}
                onToggle={() => onChange({ source_ids: toggled(source_ids, source.source_id) })}
              />
            ))}
          </fieldset>
          {known.length > 0 && (
            <fieldset disabled={!knowledge} className="mt-2 border-t border-line pt-2 disabled:opacity-50">
              <legend className="px-3 pt-2 text-[0.8125rem] font-medium text-soft">
                With one of these tags
              </legend>
              {known.map((tag) => (
                <Choice
                  key={tag}
                  label={tag}
                  checked={tags.includes(tag)}
                  onToggle={() => onChange({ tags: toggled(tags, tag) })}
                />
              ))}
            </fieldset>
          )}
          {(source_ids.length > 0 || tags.length > 0) && (
            <Button small look="quiet" onClick={() => onChange({ source_ids: [], tags: [] })}>
              Look in all sources
            </Button>
          )}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Choice({ label, checked, onToggle }: { label: string; checked: boolean; onToggle: () => void }) {
  return (
    <label className="flex items-baseline gap-3 rounded-lg px-3 py-2 hover:bg-sunken">
      <input
        type="checkbox"
        className="size-4 translate-y-0.5 accent-accent"
        checked={checked}
        onChange={onToggle}
      />
      <span className="min-w-0">{label}</span>
    </label>
  );
}
