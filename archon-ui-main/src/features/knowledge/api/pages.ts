import { useQuery } from "@tanstack/react-query";
import { request, withQuery } from "@/shared/api/client";
import { type Chunk, ChunkList, FullPage, PageInfoList } from "./schemas";

const CHUNKS_AT_ONCE = 100;

export function usePages(sourceId: string) {
  return useQuery({
    queryKey: ["pages", sourceId],
    queryFn: async ({ signal }) =>
      (await request(PageInfoList, withQuery("/api/pages", { source_id: sourceId }), { signal })).pages,
  });
}

export interface ReaderPage {
  page: FullPage;
  /** The whole text as Markdown. */
  text: string;
  /** The passage that was asked for; null when there is none of this id. */
  passage: string | null;
}

/** A page with its whole text, and one of its passages. */
export function useReaderPage(pageId: string, chunkId: string | null) {
  return useQuery({
    queryKey: ["page", pageId, chunkId],
    queryFn: async ({ signal }): Promise<ReaderPage> => {
      const page = await request(FullPage, `/api/pages/${encodeURIComponent(pageId)}`, { signal });
      // Of a long page the server sends a notice in place of the text; its passages carry the text then.
      const cut = page.full_content.length < page.char_count * 0.9;
      const chunks = cut || chunkId ? await chunksOf(page, signal) : [];
      const text =
        cut && chunks.length > 0 ? chunks.map((chunk) => chunk.content).join("\n\n") : page.full_content;
      return { page, text, passage: chunks.find((chunk) => chunk.id === chunkId)?.content ?? null };
    },
  });
}

async function chunksOf(page: FullPage, signal: AbortSignal): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for (let more = true; more; ) {
    const path = withQuery(`/api/knowledge-items/${encodeURIComponent(page.source_id)}/chunks`, {
      domain_filter: page.url,
      limit: CHUNKS_AT_ONCE,
      offset: chunks.length,
    });
    const part = await request(ChunkList, path, { signal });
    chunks.push(...part.chunks);
    more = part.has_more && part.chunks.length > 0;
  }
  return chunks.filter((chunk) => chunk.url === page.url);
}
