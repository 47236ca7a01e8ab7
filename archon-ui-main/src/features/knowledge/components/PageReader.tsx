import { ExternalLink } from "lucide-react";
import { useMemo } from "react";
import type { Components } from "react-markdown";
import { useParams, useSearchParams } from "react-router";
import { ago, plural, shortUrl, webUrl } from "@/shared/lib/format";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Markdown } from "@/shared/ui/Markdown";
import { Notice } from "@/shared/ui/Notice";
import { Page } from "@/shared/ui/Page";
import { Skeleton } from "@/shared/ui/Skeleton";
import { type ReaderPage, useReaderPage } from "../api/pages";
import { nameHeadings, outlineOf } from "../outline";
import { locate, markPassage } from "../passage";
import { Outline } from "./Outline";
import { pageTitle } from "./PageList";
import { BackLink } from "./SourcePage";

/** A stored page as it was read, with the passage of `?chunk=` marked and scrolled to. */
export function PageReader() {
  const { id = "" } = useParams();
  const [query] = useSearchParams();
  const chunk = query.get("chunk");
  const { data, error, refetch } = useReaderPage(id, chunk);
  if (data) return <ReaderView read={data} wanted={chunk !== null} />;
  return (
    <Page title="Page" above={<BackLink to="/knowledge">Knowledge</BackLink>}>
      {error ? (
        <ErrorNote error={error} title="The page could not be read." onRetry={() => void refetch()} />
      ) : (
        <Skeleton rows={8} shape="h-6" label="Loading the page" />
      )}
    </Page>
  );
}

const COMPONENTS: Components = {
  section: ({ node, ...props }) => <section {...props} ref={scrollTo} tabIndex={-1} />,
};

function scrollTo(section: HTMLElement | null): void {
  section?.scrollIntoView?.({ block: "center" });
}

function ReaderView({ read, wanted }: { read: ReaderPage; wanted: boolean }) {
  const { page, text, passage } = read;
  const range = useMemo(() => (passage ? locate(text, passage) : null), [text, passage]);
  const plugins = useMemo(() => [nameHeadings, markPassage(range)], [range]);
  const headings = useMemo(() => outlineOf(text), [text]);
  const address = webUrl(page.url);
  const title = pageTitle(page);
  return (
    <Page
      title={title}
      above={
        <BackLink to={`/sources/${encodeURIComponent(page.source_id)}`}>All pages of this source</BackLink>
      }
      lead={
        <span className="flex flex-wrap gap-x-4">
          {address && (
            <a
              href={address}
              target="_blank"
              rel="noopener noreferrer"
              className="link inline-flex items-center gap-1.5"
            >
              {shortUrl(address)} <ExternalLink aria-label="opens in a new tab" className="size-3.5" />
            </a>
          )}
          <span>{plural(page.word_count, "word")}</span>
          <span>read {ago(page.fetched_at ?? page.updated_at)}</span>
        </span>
      }
    >
      {wanted && !range && (
        <Notice
          tone="warn"
          role="status"
          title="The passage is not on this page as it is now."
          className="mb-6"
        >
          {passage ? (
            <Markdown text={passage} />
          ) : (
            <p>The page was read again since, and the passage has changed.</p>
          )}
        </Notice>
      )}
      <Outline headings={headings} />
      <article className="card px-5 py-6 sm:px-10 sm:py-9">
        <Markdown text={text} rehypePlugins={plugins} components={COMPONENTS} className="max-w-[68ch]" />
      </article>
    </Page>
  );
}
