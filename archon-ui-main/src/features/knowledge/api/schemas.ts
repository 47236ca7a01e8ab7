import { z } from "zod";
import { ErrorBody } from "@/shared/api/errors";

const number = z.number().catch(0);
const text = z.string().nullish().catch(null);

const LastJob = z.object({
  progressId: z.string(),
  status: z.string(),
  finished_at: text,
  stored_pages: number,
  failed_pages: number,
  error: ErrorBody.nullish().catch(null),
});

export const Source = z.object({
  source_id: z.string(),
  title: z.string().catch(""),
  url: z.string().catch(""),
  status: z.string().catch("active"),
  document_count: number,
  code_examples_count: number,
  page_count: number,
  word_count: number,
  char_count: number,
  languages: z.array(z.string()).catch([]),
  knowledge_type: text,
  source_type: text,
  created_at: text,
  updated_at: text,
  last_read_at: text,
  next_refresh_at: text,
  metadata: z.object({ tags: z.array(z.string()).catch([]) }).catch({ tags: [] }),
  last_job: LastJob.nullish().catch(null),
});
export type Source = z.infer<typeof Source>;

export const SourcePageList = z.object({
  items: z.array(Source),
  total: z.number(),
  page: z.number(),
  per_page: z.number(),
  pages: z.number(),
});

export const Started = z.object({ progressId: z.string(), message: z.string().catch("") });

export const PageFailure = z.object({
  url: z.string().catch(""),
  error: z.string().catch("Failed, without a reason."),
  code: text,
  next_step: text,
});
export type PageFailure = z.infer<typeof PageFailure>;

/** One source with what failed when it was last read. */
export const SourceDetail = Source.extend({ problems: z.array(PageFailure).catch([]) });
export type SourceDetail = z.infer<typeof SourceDetail>;

const Outcome = z.object({
  pages_stored: number,
  pages_unchanged: number,
  pages_failed: number,
  pages_removed: z.number().catch(0),
  chunks_stored: number,
  chunks_without_context: z.number().catch(0),
  failures: z.array(PageFailure).catch([]),
  notices: z.array(PageFailure).catch([]),
});
export type Outcome = z.infer<typeof Outcome>;

export const Progress = z.object({
  progressId: z.string(),
  status: z.string(),
  progress: z.number().catch(0),
  message: text,
  currentStep: text,
  stepMessage: text,
  currentUrl: text,
  fileName: text,
  sourceId: text,
  totalPages: z.number().nullish().catch(null),
  processedPages: z.number().nullish().catch(null),
  chunksStored: z.number().nullish().catch(null),
  details: z.object({ contextsDone: number, embeddingsReused: number }).nullish().catch(null),
  outcome: Outcome.nullish().catch(null),
  remarks: z.array(z.string()).catch([]),
  detail: ErrorBody.nullish().catch(null),
  error: text,
});
export type Progress = z.infer<typeof Progress>;

export const RunningList = z.object({
  operations: z.array(
    z.object({
      operation_id: z.string(),
      operation_type: text,
      url: text,
      title: text,
      message: text,
    }),
  ),
});

export const PageInfo = z.object({
  id: z.string(),
  url: z.string(),
  title: text,
  section_title: text,
  section_order: number,
  word_count: number,
  chunk_count: number,
});
export type PageInfo = z.infer<typeof PageInfo>;

export const PageInfoList = z.object({ pages: z.array(PageInfo), total: number, source_id: text });

export const FullPage = PageInfo.extend({
  source_id: z.string(),
  full_content: z.string(),
  char_count: number,
  fetched_at: text,
  updated_at: text,
});
export type FullPage = z.infer<typeof FullPage>;

const Chunk = z.object({
  id: z.union([z.string(), z.number()]).transform(String),
  content: z.string(),
  url: text,
});
export type Chunk = z.infer<typeof Chunk>;

export const ChunkList = z.object({
  chunks: z.array(Chunk),
  total: number,
  has_more: z.boolean().catch(false),
});
