import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { request } from "@/shared/api/client";
import type { Asked } from "../asked";
import { Answer, CodeAnswer, Filters } from "./schemas";

/** Passages or pages for what is asked; nothing is asked of the server while the question is empty. */
export function useSearch(asked: Asked) {
  return useQuery({
    queryKey: ["search", asked],
    enabled: asked.query !== "" && asked.view !== "code",
    queryFn: ({ signal }) =>
      request(Answer, "/api/rag/query", {
        method: "POST",
        json: {
          query: asked.query,
          source_ids: asked.sources,
          tags: asked.tags,
          knowledge_types: asked.types,
          languages: asked.languages,
          match_count: asked.count,
          return_mode: asked.view === "pages" ? "pages" : "chunks",
        },
        signal,
      }),
    // More results are added below those that are there; another question starts anew.
    placeholderData: (previous, query) =>
      sameButCount(query?.queryKey[1], asked) ? keepPreviousData(previous) : undefined,
  });
}

/** Code examples for what is asked. Types and natural languages do not narrow code. */
export function useCodeSearch(asked: Asked) {
  return useQuery({
    queryKey: ["search-code", asked],
    enabled: asked.query !== "" && asked.view === "code",
    queryFn: ({ signal }) =>
      request(CodeAnswer, "/api/rag/code-examples", {
        method: "POST",
        json: { query: asked.query, source_ids: asked.sources, tags: asked.tags, match_count: asked.count },
        signal,
      }),
  });
}

/** The tags, types and languages there are. */
export function useFilters() {
  return useQuery({
    queryKey: ["search-filters"],
    queryFn: ({ signal }) => request(Filters, "/api/rag/filters", { signal }),
    staleTime: 60_000,
  });
}

function sameButCount(one: unknown, other: Asked): boolean {
  return (
    one !== undefined &&
    JSON.stringify({ ...(one as Asked), count: 0 }) === JSON.stringify({ ...other, count: 0 })
  );
}
