import { Link } from "react-router";
import { plural, shortUrl } from "@/shared/lib/format";
import { bringIntoSight } from "@/shared/lib/sight";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import type { Preview } from "../api/preview";

const KINDS: Record<string, string> = {
  normal: "a site",
  sitemap: "a sitemap",
  llms_full: "a whole documentation in one file",
  "llms-txt": "a list of pages made for readers like Archon",
  text_file: "a text file",
};
const WAYS: Record<string, string> = {
  links: "its links",
  sitemap: "its sitemap",
  sections: "its parts",
};

/** What an address would bring. `onUse` puts another address in its place and looks there. */
export function CrawlPreview({ seen, onUse }: { seen: Preview; onUse: (url: string) => void }) {
  if (seen.problem) return <ErrorNote error={seen.problem} title="This address would bring nothing." />;
  if (!seen.robots.allowed)
    return (
      <Notice tone="warn" title="The site asks crawlers to leave this address out (robots.txt).">
        <p>Ask its owner, or save the page from your browser and upload the file.</p>
      </Notice>
    );
  return (
    <section
      // Under a long form it would appear out of sight.
      ref={(card) => {
        if (card) bringIntoSight(card);
      }}
      aria-label="What this address would bring"
      className="card space-y-3 px-4 py-4 sm:px-5"
    >
      <div>
        <h3 className="font-serif text-lg font-semibold leading-snug">{seen.title || shortUrl(seen.url)}</h3>
        <p className="text-soft">{sentence(seen)}</p>
      </div>
      <Remarks seen={seen} />
      {seen.better.length > 0 && <Better urls={seen.better} onUse={onUse} />}
      {seen.first.length > 1 && (
        <details>
          <summary className="font-medium">
            The first {plural(seen.first.length, "address", "addresses")}
          </summary>
          <ul className="mt-2 space-y-1 font-mono text-[0.8125rem]">
            {seen.first.map((url) => (
              <li key={url} className="break-all">
                {shortUrl(url)}
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

/** "A site. At least 43 pages, found by its links and its sitemap." */
function sentence(seen: Preview): string {
  const kind = KINDS[seen.kind] ?? "a page";
  const ways = seen.found_by.map((way) => WAYS[way] ?? way).join(" and ");
  const pages = `${seen.is_all ? "" : "At least "}${plural(seen.pages, "page")}`;
  return `${kind[0]?.toUpperCase()}${kind.slice(1)}. ${pages}${ways && `, found by ${ways}`}.`;
}

function Remarks({ seen }: { seen: Preview }) {
  const { robots, known } = seen;
  const remarks = [
    robots.refused > 0 && `Left alone, as robots.txt asks: ${plural(robots.refused, "page")}.`,
    robots.crawl_delay_s && `The site wants ${plural(robots.crawl_delay_s, "second")} between two pages.`,
    seen.left_out > 0 &&
      `Left out by your patterns, or because it looks endless: ${plural(seen.left_out, "page")}.`,
    seen.needs_browser === "yes" && browserRemark(seen, "has no text"),
    seen.needs_browser === "maybe" && browserRemark(seen, "has hardly any text"),
  ].filter((remark) => typeof remark === "string");
  return (
    <>
      {known && (
        <p>
          Already kept as{" "}
          <Link className="link" to={`/sources/${encodeURIComponent(known.source_id)}`}>
            {known.title}
          </Link>{" "}
          with {plural(known.page_count, "page")}; only what changed is read into it.
        </p>
      )}
      {remarks.length > 0 && (
        <ul className="list-disc space-y-1 pl-5">
          {remarks.map((remark) => (
            <li key={remark}>{remark}</li>
          ))}
        </ul>
      )}
    </>
  );
}

function browserRemark(seen: Preview, what: string): string {
  const end = seen.has_browser
    ? "Archon will use the browser on its machine, which takes a few seconds a page."
    : "There is no browser on Archon's machine, so that such pages fail.";
  return `The page ${what} without JavaScript. ${end}`;
}

function Better({ urls, onUse }: { urls: string[]; onUse: (url: string) => void }) {
  return (
    <Notice
      tone="info"
      title="The site has a plain version of itself, which is read faster and cleaner."
      actions={urls.map((url) => (
        <Button key={url} small onClick={() => onUse(url)}>
          Use {url.slice(url.lastIndexOf("/") + 1)}
        </Button>
      ))}
    />
  );
}
