import * as Popover from "@radix-ui/react-popover";
import { ListFilter } from "lucide-react";
import { useState } from "react";
import { useAllSources } from "@/features/knowledge";
import { plural, shortUrl } from "@/shared/lib/format";
import { Button, buttonClasses } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";

interface SourceFilterProps {
  chosen: readonly string[];
  onChoose: (ids: readonly string[]) => void;
}

/** Which sources to look in; none chosen means all of them. */
export function SourceFilter({ chosen, onChoose }: SourceFilterProps) {
  const [open, setOpen] = useState(false);
  const { data: sources, error } = useAllSources(open);
  const toggle = (id: string) =>
    onChoose(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]);
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger className={buttonClasses("quiet", true)}>
        <ListFilter aria-hidden className="size-4" />
        {chosen.length === 0 ? "All sources" : plural(chosen.length, "source")}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          side="top"
          align="start"
          sideOffset={8}
          collisionPadding={12}
          aria-label="Sources to look in"
          className="card z-50 max-h-80 w-80 max-w-[calc(100vw-1.5rem)] animate-rise overflow-y-auto p-2 shadow-float"
        >
          {error && <ErrorNote error={error} />}
          {!sources && !error && <Skeleton rows={3} shape="h-9" label="Loading sources" />}
          {sources?.length === 0 && <p className="p-3 text-soft">No sources are stored yet.</p>}
          {sources?.map((source) => (
            <label
              key={source.source_id}
              className="flex items-baseline gap-3 rounded-lg px-3 py-2 hover:bg-sunken"
            >
              <input
                type="checkbox"
                className="size-4 translate-y-0.5 accent-accent"
                checked={chosen.includes(source.source_id)}
                onChange={() => toggle(source.source_id)}
              />
              <span className="min-w-0">{source.title || shortUrl(source.url)}</span>
            </label>
          ))}
          {chosen.length > 0 && (
            <Button small look="quiet" onClick={() => onChoose([])}>
              Look in all sources
            </Button>
          )}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
