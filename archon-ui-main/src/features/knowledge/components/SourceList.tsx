import { BookOpen, Search } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { plural } from "@/shared/lib/format";
import { Button } from "@/shared/ui/Button";
import { EmptyState } from "@/shared/ui/EmptyState";
import { ErrorNote } from "@/shared/ui/ErrorNote";
import { Skeleton } from "@/shared/ui/Skeleton";
import { toast } from "@/shared/ui/toast";
import type { Source } from "../api/schemas";
import { useRefresh, useSources } from "../api/sources";
import { DeleteSource } from "./DeleteSource";
import { SourceRow, titleOf } from "./SourceRow";

/** The sources that are stored, to be found by title. */
export function SourceList({ empty }: { empty: React.ReactNode }) {
  const [search, setSearch] = useState("");
  const [page, setPage] = useState(1);
  const [deleting, setDeleting] = useState<Source | null>(null);
  const list = useSources(useDeferredValue(search.trim()), page);
  const refresh = useRefresh();
  const { data, error } = list;

  if (error && !data) {
    return (
      <ErrorNote error={error} title="The sources could not be read." onRetry={() => void list.refetch()} />
    );
  }
  if (!data) return <Skeleton rows={3} shape="h-24 rounded-2xl" label="Loading sources" />;
  if (data.total === 0 && search === "") return empty;
  return (
    <section aria-labelledby="sources-heading">
      <div className="mb-3 flex flex-wrap items-center justify-between gap-3">
        <h2 id="sources-heading" className="font-serif text-xl font-semibold">
          Sources <span className="text-base font-normal text-soft">{data.total}</span>
        </h2>
        <div className="relative w-full sm:w-64">
          <Search aria-hidden className="absolute left-3 top-1/2 size-4 -translate-y-1/2 text-soft" />
          <input
            type="search"
            aria-label="Search sources"
            placeholder="Search sources"
            className="input pl-9"
            value={search}
            onChange={(event) => {
              setSearch(event.target.value);
              setPage(1);
            }}
          />
        </div>
      </div>
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
            onRefresh={() =>
              refresh.mutate(source, {
                onError: (reason) => toast("bad", `${titleOf(source)} was not refreshed: ${reason.message}`),
              })
            }
          />
        ))}
      </ul>
      {data.items.length === 0 && (
        <EmptyState Icon={BookOpen} title="No source matches">
          <p>
            Nothing is stored under “{search}”. Titles and descriptions are searched here; to search the text,
            ask.
          </p>
        </EmptyState>
      )}
      {data.pages > 1 && (
        <nav aria-label="Pages of the list" className="mt-5 flex items-center justify-center gap-4">
          <Button small disabled={page <= 1} onClick={() => setPage(page - 1)}>
            Previous
          </Button>
          <span className="text-sm tabular-nums text-soft">
            {page} of {data.pages}
          </span>
          <Button small disabled={page >= data.pages} onClick={() => setPage(page + 1)}>
            Next
          </Button>
        </nav>
      )}
      <DeleteSource source={deleting} onClose={() => setDeleting(null)} />
    </section>
  );
}
