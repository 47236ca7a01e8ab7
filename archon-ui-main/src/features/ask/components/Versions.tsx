import { ChevronLeft, ChevronRight } from "lucide-react";
import { IconButton } from "@/shared/ui/Button";

interface VersionsProps {
  of: "question" | "answer";
  ids: readonly string[];
  current: string | null;
  onShow?: (id: string) => void;
}

/** "2 of 3", with the ways to the versions before and after; nothing where there is only one. */
export function Versions({ of, ids, current, onShow }: VersionsProps) {
  const at = current === null ? -1 : ids.indexOf(current);
  if (ids.length < 2 || at < 0) return null;
  const before = ids[at - 1];
  const next = ids[at + 1];
  return (
    // biome-ignore lint/a11y/useSemanticElements: two buttons and a number are no part of a form
    <div
      role="group"
      aria-label={`Versions of the ${of}`}
      className="flex items-center text-[0.8125rem] text-soft"
    >
      <IconButton
        label={`Earlier version of the ${of}`}
        disabled={!before || !onShow}
        onClick={() => before && onShow?.(before)}
        className="size-8"
      >
        <ChevronLeft aria-hidden className="size-4" />
      </IconButton>
      <span className="tabular-nums">
        {at + 1} of {ids.length}
      </span>
      <IconButton
        label={`Later version of the ${of}`}
        disabled={!next || !onShow}
        onClick={() => next && onShow?.(next)}
        className="size-8"
      >
        <ChevronRight aria-hidden className="size-4" />
      </IconButton>
    </div>
  );
}
