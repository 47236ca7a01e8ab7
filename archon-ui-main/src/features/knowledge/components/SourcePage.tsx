import { ArrowLeft, ExternalLink, RefreshCw, Trash2 } from "lucide-react";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { ago, plural, shortUrl, webUrl } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Page } from "@/shared/ui/Page";
import { Skeleton } from "@/shared/ui/Skeleton";
import type { Source } from "../api/schemas";
import { useRefresh, useSource } from "../api/sources";
import { DeleteSource } from "./DeleteSource";
import { PageList } from "./PageList";
import { isFile, SourceState, titleOf } from "./SourceRow";

/** One source: what is known of it, and its pages. */
export function SourcePage() {
  const { id = "" } = useParams();
  const { data: source, error, refetch } = useSource(id);
  const back = <BackLink to="/knowledge">Knowledge</BackLink>;
  if (source) return <SourceView source={source} back={back} />;
  return (
    <Page title="Source" above={back}>
      {error && (
        <ErrorNote error={error} title="The source could not be read." onRetry={() => void refetch()} />
      )}
      {source === null && <p>There is no such source (any more).</p>}
      {source === undefined && !error && <Skeleton rows={5} shape="h-12" label="Loading the source" />}
    </Page>
  );
}

function SourceView({ source, back }: { source: Source; back: React.ReactNode }) {
  const [deleting, setDeleting] = useState(false);
  const navigate = useNavigate();
  const refresh = useRefresh();
  const address = webUrl(source.url);
  return (
    <Page
      title={titleOf(source)}
      above={back}
      lead={
        address && (
          <a
            href={address}
            target="_blank"
            rel="noopener noreferrer"
            className="link inline-flex items-center gap-1.5"
          >
            {shortUrl(address)} <ExternalLink aria-label="opens in a new tab" className="size-3.5" />
          </a>
        )
      }
      actions={
        <div className="flex gap-2">
          {!isFile(source) && (
            <Button
              busy={refresh.isPending}
              onClick={() => refresh.mutate(source, { onSuccess: () => navigate("/knowledge") })}
            >
              <RefreshCw aria-hidden className="size-4" /> Refresh
            </Button>
          )}
          <Button onClick={() => setDeleting(true)}>
            <Trash2 aria-hidden className="size-4" /> Delete
          </Button>
        </div>
      }
    >
      {refresh.error && (
        <ErrorNote error={refresh.error} title="The refresh did not start." className="mb-5" />
      )}
      <p className="mb-6 flex flex-wrap items-center gap-x-4 gap-y-2 text-soft">
        <SourceState source={source} />
        <span>{plural(source.page_count, "page")}</span>
        <span>{plural(source.document_count, "passage")}</span>
        <span>{plural(source.word_count, "word")}</span>
        <span>updated {ago(source.updated_at)}</span>
      </p>
      <PageList sourceId={source.source_id} />
      <DeleteSource
        source={deleting ? source : null}
        onClose={() => setDeleting(false)}
        onDeleted={() => navigate("/knowledge")}
      />
    </Page>
  );
}

/** The way back, above a title. */
export function BackLink({ to, children }: { to: string; children: React.ReactNode }) {
  return (
    <Link
      to={to}
      className="mb-3 inline-flex items-center gap-1.5 rounded text-[0.9375rem] text-soft hover:text-ink"
    >
      <ArrowLeft aria-hidden className="size-4" /> {children}
    </Link>
  );
}
