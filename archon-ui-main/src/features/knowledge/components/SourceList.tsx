import { BookOpen } from "lucide-react";
import { type ReactNode, useDeferredValue, useState } from "react";
import { classes } from "@/shared/lib/classes";
import { plural } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { EmptyState } from "@/shared/ui/EmptyState";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";
import { toast } from "@/shared/ui/toast";
import type { Source } from "../api/schemas";
import { useSourceList } from "../api/source";
import { useAllSources, useRefresh } from "../api/sources";
import { isNarrowed, useSourceView } from "../hooks/useSourceView";
import { DeleteSource } from "./DeleteSource";
import { SourceControls } from "./SourceControls";
import { SourceRow, titleOf } from "./SourceRow";

interface SourceListProps {
  empty: ReactNode;
  first: ReactNode;
}

/** The sources that are stored: found by text, type, tag and trouble, in a chosen order.
 *
 * Where there are none, `empty` says so, and `first` takes them. That stays after the first came: somebody may be
 * typing in it, and it shows which of several files were refused.
 */
export function SourceList({ empty, first }: SourceListProps) {
  const [view, change] = useSourceView();
  const [wasEmpty, setWasEmpty] = useState(false);
  const [deleting, setDeleting] = useState<Source | null>(null);
  const list = useSourceList({ ...view, search: useDeferredValue(view.search.trim()) });
  const { data: all } = useAllSources();
  const refresh = useRefresh();
  const { data, error } = list;

  if (error && !data) {
    return (
      <ErrorNote error={error} title="The sources could not be read." onRetry={() => void list.refetch()} />
    );
  }
  if (!data) return <Skeleton rows={3} shape="h-24 rounded-2xl" label="Loading sources" />;
  const isEmpty = data.total === 0 && !isNarrowed(view);
  if (isEmpty && !wasEmpty) setWasEmpty(true);
  return (
    <>
      {!isEmpty && (
        <section aria-labelledby="sources-heading">
          <h2 id="sources-heading" className="mb-3 font-serif text-xl font-semibold">
            Sources <span className="text-base font-normal text-soft">{data.total}</span>
          </h2>
          <SourceControls view={view} onChange={change} tags={tagsOf(all)} types={typesOf(all)} />
          <p role="status" className="sr-only">
            {plural(data.total, "source")}
          </p>
          <ul className="space-y-3">
            {data.items.map((source) => (
              <SourceRow
                key={source.source_id}
                source={source}
                refreshing={refresh.isPending && refresh.variables?.source_id === source.source_id}
                onDelete={() => setDeleting(source)}
                onTag={(tag) => change({ tag })}
                onRefresh={() =>
                  refresh.mutate(source, {
                    onError: (reason) =>
                      toast("bad", `${titleOf(source)} was not refreshed: ${reason.message}`),
                  })
                }
              />
            ))}
          </ul>
          {data.items.length === 0 && (
            <EmptyState Icon={BookOpen} title="No source matches">
              <p>Titles, addresses and descriptions are searched here; to search the text, use Search.</p>
              <Button small onClick={() => change({ search: "", type: "", tag: "", problems: false })}>
                Show all sources
              </Button>
            </EmptyState>
          )}
          {data.pages > 1 && (
            <nav aria-label="Pages of the list" className="mt-5 flex items-center justify-center gap-4">
              <Button small disabled={view.page <= 1} onClick={() => change({ page: view.page - 1 })}>
                Previous
              </Button>
              <span className="text-sm tabular-nums text-soft">
                {view.page} of {data.pages}
              </span>
              <Button
                small
                disabled={view.page >= data.pages}
                onClick={() => change({ page: view.page + 1 })}
              >
                Next
              </Button>
            </nav>
          )}
          <DeleteSource source={deleting} onClose={() => setDeleting(null)} />
        </section>
      )}
      {wasEmpty && (
        <div className={classes("card", !isEmpty && "mt-8")}>
          {isEmpty && empty}
          <div className="mx-auto max-w-xl px-5 py-8">{first}</div>
        </div>
      )}
    </>
  );
}

function tagsOf(sources: readonly Source[] | undefined): string[] {
  return [...new Set(sources?.flatMap((source) => source.metadata.tags))].sort();
}

function typesOf(sources: readonly Source[] | undefined): string[] {
  return [...new Set(sources?.map((source) => source.knowledge_type ?? "technical"))].sort();
}
