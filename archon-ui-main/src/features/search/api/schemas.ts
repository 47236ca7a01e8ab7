import { z } from "zod";
import { ErrorBody } from "@/shared/api/errors";

const number = z.number().nullish().catch(null);
const text = z.string().nullish().catch(null);
const id = z.union([z.string(), z.number()]).transform(String);
const texts = z.array(z.string()).catch([]);

export const Passage = z.object({
  id,
  content: z.string(),
  url: z.string().catch(""),
  title: text,
  heading_path: texts,
  page_id: text,
  page_number: number,
  source_id: z.string().catch(""),
  similarity_score: number,
  fused_score: number,
  vector_rank: number,
  keyword_rank: number,
  keyword_score: number,
  rerank_score: number,
  /** What a chat model said of its place in the document, where that was embedded with it. */
  metadata: z.object({ situation: text }).nullish().catch(null),
});
export type Passage = z.infer<typeof Passage>;

export const FoundPage = z.object({
  page_id: z.string(),
  url: z.string().catch(""),
  title: text,
  section_title: text,
  word_count: z.number().catch(0),
  chunk_matches: z.number().catch(1),
  source_id: z.string().catch(""),
  rerank_score: number,
  best_chunk: Passage,
});
export type FoundPage = z.infer<typeof FoundPage>;

const Scoring = z.object({ rank_constant: z.number(), keyword_weight: z.number() });
export type Scoring = z.infer<typeof Scoring>;

const answer = {
  search_mode: z.string().catch("hybrid"),
  reason: text,
  reranking_problem: ErrorBody.nullish().catch(null),
  scoring: Scoring.catch({ rank_constant: 60, keyword_weight: 1 }),
};

export const Answer = z.union([
  z.object({ ...answer, return_mode: z.literal("pages"), results: z.array(FoundPage) }),
  z.object({ ...answer, return_mode: z.literal("chunks"), results: z.array(Passage) }),
]);
export type Answer = z.infer<typeof Answer>;

export const CodeExample = z.object({
  id: id.nullish().catch(null),
  code: z.string(),
  summary: z.string().catch(""),
  url: z.string().catch(""),
  title: text,
  example_name: text,
  language: text,
  page_id: text,
  source_id: z.string().catch(""),
  similarity: number,
});
export type CodeExample = z.infer<typeof CodeExample>;

export const CodeAnswer = z.object({ results: z.array(CodeExample), reason: text });

const Value = z.object({ value: z.string(), sources: z.number().catch(0) });
export const Filters = z.object({
  tags: z.array(Value).catch([]),
  knowledge_types: z.array(Value).catch([]),
  languages: z.array(Value).catch([]),
});
export type Filters = z.infer<typeof Filters>;
