import { SearchX } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { plural } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { EmptyState } from "@/shared/ui/EmptyState";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Notice } from "@/shared/ui/Notice";
import { Skeleton } from "@/shared/ui/Skeleton";
import type { Answer } from "../api/schemas";
import { useCodeSearch, useSearch } from "../api/search";
import { type Asked, MOST } from "../asked";
import { markedWords } from "../highlight";
import { whyEmpty, whyNoCode } from "../words";
import { CodeHit } from "./CodeHit";
import { PageHit, PassageHit } from "./Hit";

interface ResultsProps {
  asked: Asked;
  onMore: () => void;
}

/** What was found, or why nothing was, or what failed. */
export function Results(props: ResultsProps) {
  return props.asked.view === "code" ? <CodeResults {...props} /> : <TextResults {...props} />;
}

function TextResults({ asked, onMore }: ResultsProps) {
  const { data, error, refetch, isFetching } = useSearch(asked);
  if (error) return <Failed error={error} onRetry={refetch} />;
  if (!data) return <Skeleton rows={4} shape="h-36 rounded-2xl" label="Searching" />;
  const unit = data.return_mode === "pages" ? "page" : "passage";
  return (
    <Listed
      asked={asked}
      unit={unit}
      found={data.results.length}
      onMore={onMore}
      busy={isFetching}
      reason={data.reason}
    >
      <Hints asked={asked} answer={data} />
      <Found answer={data} words={markedWords(asked.query)} />
    </Listed>
  );
}

function Found({ answer, words }: { answer: Answer; words: readonly string[] }) {
  const shared = { words, scoring: answer.scoring };
  return (
    <ol className="space-y-3" aria-label="Results">
      {answer.return_mode === "pages"
        ? answer.results.map((hit) => <PageHit key={hit.page_id} hit={hit} {...shared} />)
        : answer.results.map((hit) => <PassageHit key={hit.id} hit={hit} {...shared} />)}
    </ol>
  );
}

function CodeResults({ asked, onMore }: ResultsProps) {
  const { data, error, refetch, isFetching } = useCodeSearch(asked);
  if (error) return <Failed error={error} onRetry={refetch} />;
  if (!data) return <Skeleton rows={3} shape="h-48 rounded-2xl" label="Searching" />;
  const words = markedWords(asked.query);
  return (
    <Listed
      asked={asked}
      unit="code example"
      found={data.results.length}
      reason={data.reason}
      onMore={onMore}
      busy={isFetching}
    >
      <ol className="space-y-3" aria-label="Results">
        {data.results.map((hit, place) => (
          <CodeHit key={hit.id ?? place} hit={hit} words={words} />
        ))}
      </ol>
    </Listed>
  );
}

function Failed({ error, onRetry }: { error: unknown; onRetry: () => unknown }) {
  return <ErrorNote error={error} title="The search failed." onRetry={() => void onRetry()} />;
}

interface ListedProps {
  asked: Asked;
  unit: string;
  found: number;
  busy: boolean;
  reason?: string | null;
  onMore: () => void;
  children: ReactNode;
}

function Listed({ asked, unit, found, busy, reason, onMore, children }: ListedProps) {
  if (found === 0) return <Nothing unit={unit} reason={reason} />;
  return (
    <>
      <p role="status" className="mb-3 text-sm text-soft">
        {found >= asked.count ? `The best ${plural(found, unit)}` : plural(found, unit)}
      </p>
      {children}
      {found >= asked.count && asked.count < MOST && (
        <div className="mt-5 text-center">
          <Button busy={busy} onClick={onMore}>
            Show more
          </Button>
        </div>
      )}
    </>
  );
}

function Nothing({ unit, reason }: { unit: string; reason?: string | null }) {
  const { title, help } = unit === "code example" ? whyNoCode(reason) : whyEmpty(reason);
  return (
    <div role="status">
      <EmptyState Icon={SearchX} title={title}>
        <p>{help}</p>
        {reason === "empty_store" && (
          <Link to="/knowledge" className="link">
            Add knowledge
          </Link>
        )}
      </EmptyState>
    </div>
  );
}

/** What is not as one would think: pages that cannot be shown as pages, vectors not used, a reranker not asked. */
function Hints({ asked, answer }: { asked: Asked; answer: Answer }) {
  const { search_mode, reranking_problem, return_mode } = answer;
  return (
    <div className="mb-3 space-y-3 empty:hidden">
      {search_mode === "keyword" && (
        <Notice tone="warn" title="Found by words alone.">
          <p>
            Nothing here was embedded with the embedding model in use; refresh the sources to search by
            meaning.
          </p>
        </Notice>
      )}
      {reranking_problem && (
        <Notice tone="warn" title="The reranker was not used.">
          <p>
            {reranking_problem.error} {reranking_problem.next_step}
          </p>
        </Notice>
      )}
      {asked.view === "pages" && return_mode === "chunks" && (
        <Notice tone="info" title="Shown as passages: what is stored here does not know its pages." />
      )}
    </div>
  );
}
