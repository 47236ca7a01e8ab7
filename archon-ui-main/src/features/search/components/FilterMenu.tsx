import * as Popover from "@radix-ui/react-popover";
import { ChevronDown } from "lucide-react";
import { useState } from "react";
import { classes } from "@/shared/lib/classes";
import { Button, buttonClasses } from "@/shared/ui/Button";

export interface Option {
  value: string;
  label: string;
  /** Stands at the right: in how many sources, say. */
  note?: string;
}

interface FilterMenuProps {
  label: string;
  options: readonly Option[];
  chosen: readonly string[];
  onChoose: (values: string[]) => void;
}

const WORTH_NARROWING = 8;

/** A filter with values to tick; with none ticked it filters nothing. */
export function FilterMenu({ label, options, chosen, onChoose }: FilterMenuProps) {
  const name = chosen.length === 0 ? label : `${label}: ${labels(options, chosen)}`;
  return (
    <Popover.Root>
      <Popover.Trigger
        className={classes(
          buttonClasses("secondary", true),
          "max-w-64",
          chosen.length > 0 && "border-accent! bg-accent-wash! text-accent!",
        )}
      >
        <span className="truncate">{name}</span> <ChevronDown aria-hidden className="size-4 shrink-0" />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="start"
          sideOffset={6}
          collisionPadding={12}
          aria-label={label}
          className="card z-50 max-h-80 w-72 max-w-[calc(100vw-1.5rem)] animate-rise overflow-y-auto p-2 shadow-float"
        >
          <Options label={label} options={options} chosen={chosen} onChoose={onChoose} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Options({ label, options, chosen, onChoose }: FilterMenuProps) {
  const [needle, setNeedle] = useState("");
  const [ticked, tick] = useTicked(chosen, onChoose);
  const shown = options.filter((option) => option.label.toLowerCase().includes(needle.toLowerCase()));
  const toggle = (value: string) =>
    tick(ticked.includes(value) ? ticked.filter((one) => one !== value) : [...ticked, value]);
  return (
    <>
      {options.length >= WORTH_NARROWING && (
        <input
          type="search"
          aria-label={`Find among ${label.toLowerCase()}`}
          placeholder="Find"
          className="input mb-1"
          value={needle}
          onChange={(event) => setNeedle(event.target.value)}
        />
      )}
      {shown.length === 0 && <p className="px-3 py-2 text-soft">There is none.</p>}
      {shown.map((option) => (
        <label key={option.value} className="flex items-baseline gap-3 rounded-lg px-3 py-2 hover:bg-sunken">
          <input
            type="checkbox"
            className="size-4 translate-y-0.5 accent-accent"
            checked={ticked.includes(option.value)}
            onChange={() => toggle(option.value)}
          />
          <span className="min-w-0 flex-1">{option.label}</span>
          {option.note && <span className="text-sm tabular-nums text-soft">{option.note}</span>}
        </label>
      ))}
      {ticked.length > 0 && (
        <Button small look="quiet" onClick={() => tick([])}>
          Choose none
        </Button>
      )}
    </>
  );
}

/** What is ticked shows at once; the address, which is the truth, follows a moment later. */
function useTicked(chosen: readonly string[], onChoose: (values: string[]) => void) {
  const [ticked, setTicked] = useState(chosen);
  const [shown, setShown] = useState(chosen);
  if (shown !== chosen) {
    setShown(chosen);
    setTicked(chosen);
  }
  const tick = (values: string[]) => {
    setTicked(values);
    onChoose(values);
  };
  return [ticked, tick] as const;
}

function labels(options: readonly Option[], chosen: readonly string[]): string {
  return chosen.map((value) => options.find((option) => option.value === value)?.label ?? value).join(", ");
}
