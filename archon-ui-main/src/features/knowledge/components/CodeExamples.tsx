import { useState } from "react";
import { Link } from "react-router";
import { plural, shortUrl } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";
import { CODE_AT_ONCE, type StoredCode, useCodeExamples } from "../api/code";

/** The code examples of a source, exactly as its pages have them. Nothing where there are none. */
export function CodeExamples({ sourceId, total }: { sourceId: string; total: number }) {
  const [open, setOpen] = useState(false);
  const [offset, setOffset] = useState(0);
  const { data, error, refetch } = useCodeExamples(sourceId, offset, open);
  if (total === 0) return null;
  const last = Math.min(offset + CODE_AT_ONCE, data?.total ?? total);
  return (
    <details className="card mb-6 px-4 py-3 sm:px-5" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="font-serif text-xl font-semibold">{plural(total, "code example")}</summary>
      {error && (
        <ErrorNote
          error={error}
          title="They could not be read."
          onRetry={() => void refetch()}
          className="mt-3"
        />
      )}
      {open && !data && !error && <Skeleton rows={3} shape="h-24" label="Loading code examples" />}
      {data && (
        <>
          <ul className="mt-3 space-y-5">
            {data.code_examples.map((example) => (
              <Example key={example.id} example={example} />
            ))}
          </ul>
          {data.total > CODE_AT_ONCE && (
            <nav aria-label="Code examples" className="mt-4 flex flex-wrap items-center gap-3">
              <Button small disabled={offset === 0} onClick={() => setOffset(offset - CODE_AT_ONCE)}>
                Earlier
              </Button>
              <span className="text-sm text-soft">
                {offset + 1} to {last} of {data.total}
              </span>
              <Button small disabled={last >= data.total} onClick={() => setOffset(offset + CODE_AT_ONCE)}>
                Later
              </Button>
            </nav>
          )}
        </>
      )}
    </details>
  );
}

function Example({ example }: { example: StoredCode }) {
  const name = example.example_name || shortUrl(example.url);
  return (
    <li>
      <p>
        {example.page_id ? (
          <Link to={`/pages/${encodeURIComponent(example.page_id)}`} className="font-medium hover:underline">
            {name}
          </Link>
        ) : (
          <span className="font-medium">{name}</span>
        )}
        {example.language && <span className="ml-2 text-sm text-soft">{example.language}</span>}
      </p>
      {example.summary && <p className="text-soft">{example.summary}</p>}
      <pre className="mt-1.5 max-h-80 overflow-auto rounded-xl border border-line bg-sunken p-3 font-mono text-[0.8438rem] leading-relaxed">
        <code>{example.content}</code>
      </pre>
    </li>
  );
}
