import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { z } from "zod";
import { request, withQuery } from "@/shared/api/client";

export const CODE_AT_ONCE = 10;

const StoredCode = z.object({
  id: z.union([z.string(), z.number()]).transform(String),
  content: z.string(),
  summary: z.string().catch(""),
  example_name: z.string().nullish().catch(null),
  language: z.string().nullish().catch(null),
  url: z.string().catch(""),
  page_id: z.string().nullish().catch(null),
});
export type StoredCode = z.infer<typeof StoredCode>;

const StoredCodeList = z.object({ code_examples: z.array(StoredCode), total: z.number() });

/** The code examples of a source, some at a time. */
export function useCodeExamples(sourceId: string, offset: number, wanted: boolean) {
  return useQuery({
    queryKey: ["code-examples", sourceId, offset],
    queryFn: ({ signal }) =>
      request(
        StoredCodeList,
        withQuery(`/api/knowledge-items/${encodeURIComponent(sourceId)}/code-examples`, {
          limit: CODE_AT_ONCE,
          offset,
        }),
        { signal },
      ),
    placeholderData: keepPreviousData,
    enabled: wanted,
  });
}
