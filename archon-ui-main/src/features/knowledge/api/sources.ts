import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { request, send, withQuery } from "@/shared/api/client";
import { SETTINGS_KEY } from "@/shared/api/settings";
import { type Source, SourcePageList, Started } from "./schemas";
import { work } from "./work";

export const SOURCES_KEY = ["sources"] as const;
const MOST_PER_PAGE = 100;

function fetchSources(page: number, perPage: number, search: string, signal?: AbortSignal) {
  const path = withQuery("/api/knowledge-items/summary", { page, per_page: perPage, search });
  return request(SourcePageList, path, { signal });
}

/** Every source, for choosing among them. */
export function useAllSources(wanted = true) {
  return useQuery({
    queryKey: [...SOURCES_KEY, "all"],
    queryFn: ({ signal }) => allSources(signal),
    enabled: wanted,
  });
}

async function allSources(signal: AbortSignal): Promise<Source[]> {
  const first = await fetchSources(1, MOST_PER_PAGE, "", signal);
  const items = [...first.items];
  for (let page = 2; page <= first.pages; page += 1) {
    items.push(...(await fetchSources(page, MOST_PER_PAGE, "", signal)).items);
  }
  return items;
}

export interface CrawlRequest {
  url: string;
  max_depth: number;
  max_pages: number;
  tags: string[];
  /** Patterns of addresses: what to follow, and what to leave out. */
  include?: string[];
  exclude?: string[];
  extract_code_examples?: boolean;
}

export function useCrawl() {
  return useMutation({
    mutationFn: (crawl: CrawlRequest) =>
      request(Started, "/api/knowledge-items/crawl", { method: "POST", json: crawl }),
    onSuccess: ({ progressId }, { url }) => work.add(progressId, url),
  });
}

/** Sends one file; the work it starts is then followed like a crawl. Resolves with its id.
 *
 * @throws ApiError when the server refuses the file.
 */
export async function uploadFile(file: File, tags: string[]): Promise<string> {
  const form = new FormData();
  form.set("file", file);
  form.set("tags", JSON.stringify(tags));
  const { progressId } = await request(Started, "/api/documents/upload", { method: "POST", form });
  work.add(progressId, file.name);
  return progressId;
}

export function useRefresh() {
  return useMutation({
    mutationFn: (source: Source) =>
      request(Started, `/api/knowledge-items/${encodeURIComponent(source.source_id)}/refresh`, {
        method: "POST",
      }),
    onSuccess: ({ progressId }, source) => work.add(progressId, source.title || source.url),
  });
}

export function useDeleteSource() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (source: Source) =>
      send(`/api/knowledge-items/${encodeURIComponent(source.source_id)}`, { method: "DELETE" }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: SOURCES_KEY });
      await client.invalidateQueries({ queryKey: SETTINGS_KEY });
    },
  });
}
