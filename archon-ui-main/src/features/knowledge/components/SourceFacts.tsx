import { Link } from "react-router";
import { ago, count, dateTime } from "@/shared/lib/format";
import type { Source } from "../api/schemas";
import { SourceState } from "./SourceRow";

/** How large a source is, how fresh, and what it is filed under. */
export function SourceFacts({ source }: { source: Source }) {
  return (
    <section aria-label="Facts" className="card mb-6 px-5 py-4">
      <dl className="grid grid-cols-2 gap-x-6 gap-y-3 sm:grid-cols-4">
        <Fact name="Pages">{count(source.page_count)}</Fact>
        <Fact name="Passages">{count(source.document_count)}</Fact>
        <Fact name="Words">{count(source.word_count)}</Fact>
        <Fact name="Text">{textSize(source.char_count)}</Fact>
        <Fact name="Last read">
          <When iso={source.last_read_at ?? source.updated_at} />
        </Fact>
        <Fact name="Next refresh">
          <When iso={source.next_refresh_at} otherwise="when you ask" />
        </Fact>
        <Fact name="Code examples">{count(source.code_examples_count)}</Fact>
        <Fact name="Language">{source.languages.join(", ") || "not stated"}</Fact>
      </dl>
      <p className="mt-4 flex flex-wrap items-center gap-2 text-sm">
        <SourceState source={source} />
        <span className="text-soft">{source.knowledge_type ?? "technical"}</span>
        {source.metadata.tags.map((tag) => (
          <Link
            key={tag}
            to={`/knowledge?tag=${encodeURIComponent(tag)}`}
            className="rounded bg-sunken px-1.5 text-soft hover:text-ink"
          >
            {tag}
          </Link>
        ))}
        <Link to={`/search?source=${encodeURIComponent(source.source_id)}`} className="link ml-auto">
          Search in this source
        </Link>
      </p>
    </section>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt className="text-sm text-soft">{name}</dt>
      <dd className="font-medium tabular-nums">{children}</dd>
    </div>
  );
}

function When({ iso, otherwise = "never" }: { iso: string | null | undefined; otherwise?: string }) {
  return iso ? (
    <time dateTime={iso} title={dateTime(iso)}>
      {ago(iso)}
    </time>
  ) : (
    otherwise
  );
}

/** 1530 → "1.5 thousand characters". */
function textSize(characters: number): string {
  if (characters >= 1e6) return `${(characters / 1e6).toFixed(1)} million characters`;
  return characters >= 1e3
    ? `${Math.round(characters / 1e3)} thousand characters`
    : `${characters} characters`;
}
