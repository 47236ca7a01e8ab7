import { useState } from "react";
import { Link } from "react-router";
import { plural, shortUrl } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";
import { usePages } from "../api/pages";
import type { PageInfo } from "../api/schemas";

const WORTH_FILTERING = 8;

/** The pages of a source, in their order. */
export function PageList({ sourceId }: { sourceId: string }) {
  const { data: pages, error, refetch } = usePages(sourceId);
  const [needle, setNeedle] = useState("");
  if (error)
    return <ErrorNote error={error} title="Its pages could not be read." onRetry={() => void refetch()} />;
  if (!pages) return <Skeleton rows={6} shape="h-12" label="Loading pages" />;
  const shown = pages.filter((page) =>
    `${pageTitle(page)} ${page.url}`.toLowerCase().includes(needle.toLowerCase()),
  );
  return (
    <section aria-labelledby="pages-heading">
      <div className="mb-3 flex flex-wrap items-center justify-between gap-3">
        <h2 id="pages-heading" className="font-serif text-xl font-semibold">
          Pages
        </h2>
        {pages.length >= WORTH_FILTERING && (
          <input
            type="search"
            aria-label="Filter pages"
            placeholder="Filter pages"
            className="input sm:w-64"
            value={needle}
            onChange={(event) => setNeedle(event.target.value)}
          />
        )}
      </div>
      {shown.length === 0 && (
        <p className="text-soft">{pages.length === 0 ? "No pages are stored." : "None matches."}</p>
      )}
      <ul className="card divide-y divide-line empty:hidden">
        {shown.map((page) => (
          <li key={page.id}>
            <Link
              to={`/pages/${encodeURIComponent(page.id)}`}
              className="flex flex-wrap items-baseline gap-x-4 px-4 py-3 hover:bg-sunken sm:px-5"
            >
              <span className="min-w-0 flex-1 basis-64">
                <span className="font-medium">{pageTitle(page)}</span>
                <span className="block truncate text-sm text-soft">{shortUrl(page.url)}</span>
              </span>
              <span className="whitespace-nowrap text-sm text-soft">
                {plural(page.word_count, "word")}, {plural(page.chunk_count, "passage")}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The page's own title, else the last part of its address. */
export function pageTitle(page: Pick<PageInfo, "title" | "section_title" | "url">): string {
  const last = page.url.replace(/\/$/, "").split("/").at(-1);
  return page.title || page.section_title || readable(last ?? "") || page.url;
}

function readable(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // A stray % is part of the name.
  }
}
