import { classes } from "@/shared/lib/classes";
import type { SupportKind } from "../api/schemas";

interface ChipProps {
  kind: SupportKind;
  number: number;
  title?: string | null;
  onOpen?: () => void;
}

const SHAPE =
  "mx-0.5 inline-flex h-[1.3rem] shrink-0 whitespace-nowrap min-w-[1.3rem] items-center justify-center rounded-md px-1 align-[0.1em] " +
  "font-sans text-xs font-semibold leading-none no-underline tabular-nums";

const LOOKS: Record<SupportKind, string> = {
  cited: "bg-accent text-accent-ink border border-accent",
  similar: "border border-dashed border-edge text-ink bg-surface",
  none: "border border-warn text-warn bg-warn-wash rounded-full",
};

const SIGNS: Record<SupportKind, (number: number) => string> = {
  cited: (number) => String(number),
  similar: (number) => `≈ ${number}`,
  none: () => "?",
};

/** What a mark means, in words. */
export function chipWords(kind: SupportKind, number: number, title?: string | null): string {
  if (kind === "none") return "No support found for this sentence";
  const name = title ? `${number}, ${title}` : String(number);
  return kind === "cited" ? `Cited passage ${name}` : `Similar passage ${name}, not cited by the model`;
}

/** The mark of a sentence; its sign differs by kind, not only its colour. */
export function Chip({ kind, number, title, onOpen }: ChipProps) {
  const words = chipWords(kind, number, title);
  const look = classes(SHAPE, LOOKS[kind]);
  if (!onOpen || kind === "none") {
    return (
      <span role="img" aria-label={words} title={words} className={look}>
        {SIGNS[kind](number)}
      </span>
    );
  }
  return (
    <button
      type="button"
      aria-label={words}
      title={words}
      onClick={onOpen}
      className={classes(look, "transition-transform hover:scale-110")}
    >
      {SIGNS[kind](number)}
    </button>
  );
}
