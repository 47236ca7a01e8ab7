import { useState } from "react";
import { classes } from "@/shared/lib/classes";
import { plural, shortUrl } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import type { Passage, SupportKind } from "../api/schemas";
import type { Placed } from "../support";
import type { OpenedPassage } from "./PassagePanel";

interface PassageListProps {
  passages: readonly Passage[];
  placed: readonly Placed[];
  onOpen: (opened: OpenedPassage) => void;
}

/** The passages under an answer: those it rests on first, the others the model was given on demand. */
export function PassageList({ passages, placed, onOpen }: PassageListProps) {
  const [all, setAll] = useState(false);
  const kinds = new Map<number, SupportKind>();
  for (const { kind, numbers } of placed) {
    for (const number of numbers) {
      if (kinds.get(number) !== "cited") kinds.set(number, kind);
    }
  }
  const used = passages.filter((passage) => kinds.has(passage.number));
  const rest = passages.length - used.length;
  const shown = all ? passages : used;
  return (
    <section aria-label="Passages" className="mt-5">
      <ul className="grid gap-2 sm:grid-cols-2">
        {shown.map((passage) => (
          <li key={passage.number}>
            <PassageCard
              passage={passage}
              used={kinds.has(passage.number)}
              onOpen={() => onOpen({ passage, kind: kinds.get(passage.number) ?? null })}
            />
          </li>
        ))}
      </ul>
      {rest > 0 && (
        <Button small look="quiet" className="mt-2 -ml-3" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "Hide what was not used" : moreWords(rest, used.length)}
        </Button>
      )}
    </section>
  );
}

function moreWords(rest: number, used: number): string {
  const passages = plural(rest, "passage");
  return used > 0 ? `Show ${rest} more the model was given` : `Show the ${passages} the model was given`;
}

function PassageCard({ passage, used, onOpen }: { passage: Passage; used: boolean; onOpen: () => void }) {
  const path = passage.heading_path.join(" › ");
  return (
    <button
      type="button"
      onClick={onOpen}
      className={classes(
        "flex h-full w-full gap-3 rounded-xl border border-line bg-surface p-3 text-left hover:border-edge",
        !used && "opacity-80",
      )}
    >
      <span className="grid size-6 shrink-0 place-items-center rounded-md bg-sunken text-[0.8125rem] font-semibold tabular-nums text-soft">
        {passage.number}
      </span>
      <span className="min-w-0">
        <span className="line-clamp-1 font-medium">
          {passage.title || shortUrl(passage.url ?? "Passage")}
        </span>
        <span className="line-clamp-1 text-sm text-soft">{path || shortUrl(passage.url ?? "")}</span>
      </span>
    </button>
  );
}
