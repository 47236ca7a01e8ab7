import { BookOpenText, ExternalLink } from "lucide-react";
import { Link } from "react-router";
import { shortUrl, webUrl } from "@/shared/lib/format";
import { buttonClasses } from "@/shared/ui/Button";
import { Markdown } from "@/shared/ui/Markdown";
import { Sheet } from "@/shared/ui/Sheet";
import type { Passage, SupportKind } from "../api/schemas";

export interface OpenedPassage {
  passage: Passage;
  /** What the answer makes of it; null: the model was given it and no sentence rests on it. */
  kind: SupportKind | null;
}

const WORDS: Record<SupportKind, string> = {
  cited: "Cited by the model.",
  similar: "Similar passage, not cited by the model.",
  none: "Given to the model; no sentence rests on it.",
};

/** The passage behind a mark, with the ways to its page and its source. */
export function PassagePanel({ opened, onClose }: { opened: OpenedPassage | null; onClose: () => void }) {
  return (
    <Sheet
      open={opened !== null}
      onClose={onClose}
      title={opened ? `Passage ${opened.passage.number}` : "Passage"}
      companion
    >
      {opened && <PassageView opened={opened} />}
    </Sheet>
  );
}

function PassageView({ opened: { passage, kind } }: { opened: OpenedPassage }) {
  const { title, heading_path, url, page_id, chunk_id, source_id, page_number, similarity } = passage;
  const address = webUrl(url);
  return (
    <div className="space-y-5">
      <div>
        <p className="text-lg font-semibold leading-snug">{title || shortUrl(url ?? "")}</p>
        {heading_path.length > 0 && (
          <p className="mt-0.5 text-[0.9375rem] text-soft">{heading_path.join(" › ")}</p>
        )}
        <p className="mt-2 text-sm text-soft">
          {WORDS[kind ?? "none"]}
          {similarity != null && ` Similarity to the question ${similarity.toFixed(2)}.`}
          {page_number != null && ` Page ${page_number} of the document.`}
        </p>
      </div>
      <section aria-label="Text of the passage" className="passage mx-0 max-h-[55dvh] overflow-y-auto py-3">
        <Markdown text={passage.text} className="text-[0.9375rem]" />
      </section>
      <div className="flex flex-wrap gap-2">
        {page_id && (
          <Link
            to={`/pages/${encodeURIComponent(page_id)}?chunk=${encodeURIComponent(chunk_id)}`}
            className={buttonClasses("primary")}
          >
            <BookOpenText aria-hidden className="size-4" /> Read it on its page
          </Link>
        )}
        {address && (
          <a href={address} target="_blank" rel="noopener noreferrer" className={buttonClasses()}>
            <ExternalLink aria-hidden className="size-4" /> Original
            <span className="sr-only">, opens in a new tab</span>
          </a>
        )}
        {source_id && (
          <Link to={`/sources/${encodeURIComponent(source_id)}`} className={buttonClasses("quiet")}>
            Its source
          </Link>
        )}
      </div>
    </div>
  );
}
