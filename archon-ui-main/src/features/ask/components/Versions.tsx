import { ChevronLeft, ChevronRight } from "lucide-react";
import { IconButton } from "@/shared/ui/Button";

interface VersionsProps {
  of: "question" | "answer";
  ids: readonly string[];
  current: string | null;
  onShow: (id: string) => void;
}

/** "2 of 3", with the ways to the versions before and after; nothing where there is only one. */
export function Versions({ of, ids, current, onShow }: VersionsProps) {
  const at = current === null ? -1 : ids.indexOf(current);
  if (ids.length < 2 || at < 0) return null;
  const ways = [
    { name: "Earlier", Icon: ChevronLeft, id: ids[at - 1] },
    { name: "Later", Icon: ChevronRight, id: ids[at + 1] },
  ] as const;
  const [before, next] = ways.map(({ name, Icon, id }) => (
    <IconButton
      key={name}
      label={`${name} version of the ${of}`}
      // Not disabled: at the last one a keyboard's focus stays where it is.
      aria-disabled={!id || undefined}
      onClick={() => id && onShow(id)}
      className="size-8 aria-disabled:opacity-50"
    >
      <Icon aria-hidden className="size-4" />
    </IconButton>
  ));
  return (
    // biome-ignore lint/a11y/useSemanticElements: two buttons and a number are no part of a form
    <div
      role="group"
      aria-label={`Versions of the ${of}`}
      className="flex items-center text-[0.8125rem] text-soft"
    >
      {before}
      <span className="tabular-nums">
        {at + 1} of {ids.length}
      </span>
      {next}
    </div>
  );
}
