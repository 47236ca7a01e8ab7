import { useMutation } from "@tanstack/react-query";
import { z } from "zod";
import { request } from "@/shared/api/client";
import { ErrorBody } from "@/shared/api/errors";
import type { CrawlRequest } from "./sources";

const texts = z.array(z.string()).catch([]);

export const Preview = z.object({
  url: z.string(),
  kind: z.string().catch("normal"),
  title: z.string().catch(""),
  language: z.string().nullish().catch(null),
  pages: z.number().catch(0),
  is_all: z.boolean().catch(true),
  first: texts,
  found_by: texts,
  left_out: z.number().catch(0),
  needs_browser: z.enum(["no", "maybe", "yes"]).catch("no"),
  has_browser: z.boolean().catch(false),
  better: texts,
  robots: z
    .object({
      allowed: z.boolean().catch(true),
      refused: z.number().catch(0),
      first_refused: texts,
      crawl_delay_s: z.number().nullish().catch(null),
    })
    .catch({ allowed: true, refused: 0, first_refused: [], crawl_delay_s: null }),
  known: z.object({ source_id: z.string(), title: z.string(), page_count: z.number() }).nullish().catch(null),
  problem: ErrorBody.nullish().catch(null),
});
export type Preview = z.infer<typeof Preview>;

/** Looks at an address for some seconds; stores nothing. */
export function usePreview() {
  return useMutation({
    mutationFn: (crawl: CrawlRequest) =>
      request(Preview, "/api/knowledge-items/preview", { method: "POST", json: crawl }),
  });
}
