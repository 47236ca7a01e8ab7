import { plural } from "@/shared/lib/format";
import type { SupportKind } from "../api/schemas";
import type { Placed } from "../support";
import { Chip } from "./Chip";

const WORDS: Record<SupportKind, (sentences: string) => string> = {
  cited: (sentences) => `${sentences} cited`,
  similar: (sentences) => `${sentences} with a similar passage, not cited by the model`,
  none: (sentences) => `no support found for ${sentences}`,
};

/** How many sentences of each kind, with the sign they bear. */
export function Legend({ placed }: { placed: readonly Placed[] }) {
  const kinds = (["cited", "similar", "none"] as const).map((kind) => ({
    kind,
    sentences: placed.filter((one) => one.kind === kind),
  }));
  return (
    <ul
      aria-label="Support of the answer"
      className="mt-5 flex flex-wrap gap-x-5 gap-y-1.5 text-sm text-soft"
    >
      {kinds.map(
        ({ kind, sentences }) =>
          sentences.length > 0 && (
            <li key={kind} className="flex items-center gap-1.5">
              <span aria-hidden>
                <Chip kind={kind} number={sentences[0]?.numbers[0] ?? 0} />
              </span>
              {WORDS[kind](plural(sentences.length, "sentence"))}
            </li>
          ),
      )}
    </ul>
  );
}
