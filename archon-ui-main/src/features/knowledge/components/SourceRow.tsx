import { CircleAlert, CircleCheck, FileText, Globe, RefreshCw, Trash2 } from "lucide-react";
import { Link } from "react-router";
import { ago, plural, shortUrl } from "@/shared/lib/format";
import { IconButton } from "@/shared/ui/Button";
import { Word } from "@/shared/ui/Word";
import type { Source } from "../api/schemas";
import { verdict } from "../words";

interface SourceRowProps {
  source: Source;
  onRefresh: () => void;
  onDelete: () => void;
  onTag: (tag: string) => void;
  refreshing: boolean;
}

export function SourceRow({ source, onRefresh, onDelete, onTag, refreshing }: SourceRowProps) {
  const Icon = isFile(source) ? FileText : Globe;
  const title = titleOf(source);
  return (
    <li className="card group relative flex gap-3.5 p-4 transition-colors hover:border-edge/60 sm:p-5">
      <span className="hidden size-10 shrink-0 place-items-center rounded-xl bg-accent-wash text-accent xs:grid">
        <Icon aria-hidden className="size-5" />
      </span>
      <div className="min-w-0 flex-1">
        <h3 className="text-[1.0625rem] font-semibold leading-snug">
          <Link
            to={`/sources/${encodeURIComponent(source.source_id)}`}
            className="after:absolute after:inset-0 after:rounded-2xl hover:underline"
          >
            {title}
          </Link>
        </h3>
        {source.url && <p className="truncate text-sm text-soft">{shortUrl(source.url)}</p>}
        <p className="mt-2 flex flex-wrap items-center gap-x-3 gap-y-1.5 text-sm text-soft">
          <SourceState source={source} />
          <span>{plural(source.page_count, "page")}</span>
          <span>{plural(source.document_count, "passage")}</span>
          <Freshness source={source} />
          {source.metadata.tags.map((tag) => (
            <button
              key={tag}
              type="button"
              aria-label={`Only sources tagged ${tag}`}
              onClick={() => onTag(tag)}
              className="relative rounded bg-sunken px-1.5 hover:text-ink"
            >
              {tag}
            </button>
          ))}
        </p>
      </div>
      <div className="relative flex flex-col gap-1 sm:flex-row">
        {!isFile(source) && (
          <IconButton label={`Refresh ${title}`} onClick={onRefresh} disabled={refreshing}>
            <RefreshCw aria-hidden className="size-4" />
          </IconButton>
        )}
        <IconButton label={`Delete ${title}`} onClick={onDelete} className="hover:text-bad">
          <Trash2 aria-hidden className="size-4" />
        </IconButton>
      </div>
    </li>
  );
}

/** The last work on a source; a source without one has simply been stored. */
export function SourceState({ source }: { source: Source }) {
  if (!source.last_job) return null;
  const { tone, word } = verdict(source.last_job.status, source.last_job.failed_pages);
  return (
    <Word tone={tone} Icon={tone === "good" ? CircleCheck : CircleAlert}>
      {word}
    </Word>
  );
}

/** When a source was last read, and when it will be again. */
export function Freshness({ source }: { source: Source }) {
  return (
    <>
      <span>read {ago(source.last_read_at ?? source.updated_at)}</span>
      {source.next_refresh_at && <span>next refresh {ago(source.next_refresh_at)}</span>}
    </>
  );
}

export function isFile(source: Source): boolean {
  return source.source_type === "file" || source.url.startsWith("file:");
}

export function titleOf(source: Source): string {
  return source.title || shortUrl(source.url) || source.source_id;
}
