import type { ReactNode } from "react";
import { Link } from "react-router";
import { shortUrl } from "@/shared/lib/format";
import { Markdown } from "@/shared/ui/Markdown";
import type { FoundPage, Passage, Scoring } from "../api/schemas";
import { markWords } from "../highlight";
import { Marked } from "./Marked";
import { Score } from "./Score";

interface PassageHitProps {
  hit: Passage;
  words: readonly string[];
  scoring: Scoring;
  /** Stands beside the score: how many passages of a page matched, say. */
  note?: ReactNode;
}

/** A found passage under its title, with the question's words marked. The title opens the page at the passage. */
export function PassageHit({ hit, words, scoring, note }: PassageHitProps) {
  const path = hit.heading_path.filter((heading) => heading !== hit.title);
  return (
    <li className="card p-4 sm:px-5">
      <h3 className="text-[1.0625rem] font-semibold leading-snug">
        <OpenLink hit={hit}>
          <Marked text={hit.title || shortUrl(hit.url)} words={words} />
        </OpenLink>
      </h3>
      <p className="truncate text-sm text-soft">
        {shortUrl(hit.url)}
        {hit.page_number != null && `, page ${hit.page_number}`}
      </p>
      {path.length > 0 && (
        <p className="mt-1 text-sm font-medium text-soft">
          <Marked text={path.join(" › ")} words={words} />
        </p>
      )}
      <div className="search-excerpt mt-2">
        <Markdown text={hit.content} rehypePlugins={[markWords(words)]} />
      </div>
      <div className="mt-2 flex flex-wrap items-baseline gap-x-4 gap-y-1">
        <Score hit={hit} scoring={scoring} />
        {note && <span className="text-sm text-soft">{note}</span>}
      </div>
    </li>
  );
}

/** A found page: its best passage, and how many more of it matched. */
export function PageHit({
  hit,
  words,
  scoring,
}: {
  hit: FoundPage;
  words: readonly string[];
  scoring: Scoring;
}) {
  const more = hit.chunk_matches - 1;
  const best = {
    ...hit.best_chunk,
    title: hit.title ?? hit.best_chunk.title,
    rerank_score: hit.rerank_score,
  };
  const note = more > 0 ? `${more} more matching ${more === 1 ? "passage" : "passages"} on this page` : null;
  return <PassageHit hit={best} words={words} scoring={scoring} note={note} />;
}

/** To the page at the passage; a passage of an old store may know no page, and its title is then only text. */
function OpenLink({ hit, children }: { hit: Passage; children: ReactNode }) {
  if (!hit.page_id) return children;
  const address = `/pages/${encodeURIComponent(hit.page_id)}?chunk=${encodeURIComponent(hit.id)}`;
  return (
    <Link to={address} data-hit className="rounded hover:underline">
      {children}
    </Link>
  );
}
