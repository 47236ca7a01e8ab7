import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { request, send, withQuery } from "@/shared/api/client";
import { ApiError } from "@/shared/api/errors";
import { SourceDetail, SourcePageList } from "./schemas";
import { SOURCES_KEY } from "./sources";

const PER_PAGE = 20;

export const SORTS = {
  updated: "Newest change",
  title: "Title",
  words: "Most words",
  refresh: "Next refresh",
};
export type Sort = keyof typeof SORTS;

/** Which sources are shown, and in what order. */
export interface SourceView {
  search: string;
  type: string;
  tag: string;
  problems: boolean;
  sort: Sort;
  page: number;
}

export function useSourceList({ search, type, tag, problems, sort, page }: SourceView) {
  const path = withQuery("/api/knowledge-items/summary", {
    page,
    per_page: PER_PAGE,
    search,
    knowledge_type: type,
    tag,
    problems: problems ? "true" : null,
    sort: sort === "updated" ? null : sort,
  });
  return useQuery({
    queryKey: [...SOURCES_KEY, "list", path],
    queryFn: ({ signal }) => request(SourcePageList, path, { signal }),
    placeholderData: keepPreviousData,
  });
}

/** One source with its problems; null when there is none of this id. */
export function useSource(id: string) {
  return useQuery({
    queryKey: [...SOURCES_KEY, "one", id],
    queryFn: ({ signal }) =>
      request(SourceDetail, `/api/knowledge-items/${encodeURIComponent(id)}`, { signal }).catch((error) => {
        if (error instanceof ApiError && error.httpStatus === 404) return null;
        throw error;
      }),
  });
}

export interface SourceChanges {
  title: string;
  tags: string[];
  knowledge_type: string;
}

export function useSaveSource(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (changes: SourceChanges) =>
      send(`/api/knowledge-items/${encodeURIComponent(id)}`, { method: "PUT", json: changes }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: SOURCES_KEY });
      await client.invalidateQueries({ queryKey: ["search-filters"] });
    },
  });
}
