import { z } from "zod";
import { ErrorBody } from "@/shared/api/errors";

const LeftOut = z.object({
  lines_before: z.number(),
  lines_after: z.number(),
  files: z.array(z.string()),
  file_lines: z.number(),
  passages: z.number(),
});

export const Context = z.object({
  first_line: z.number(),
  last_line: z.number(),
  files: z.array(z.object({ path: z.string(), lines: z.number(), of_lines: z.number() })),
  passages: z.array(z.object({ url: z.string().nullish(), title: z.string().nullish() })),
  left_out: LeftOut,
  prompt_tokens: z.number(),
  answer_tokens: z.number(),
  max_model_len: z.number(),
});
export type Context = z.infer<typeof Context>;

const Start = z.object({
  provider: z.string(),
  model: z.string(),
  context: Context,
  knowledge_problem: ErrorBody.nullish(),
});
export type Start = z.infer<typeof Start>;

/** Of an explanation its text, of a rewrite the new text and the diff. */
export const Result = z.object({
  explanation: z.string().optional(),
  cut: z.boolean().optional(),
  text: z.string().optional(),
  file: z.string().optional(),
  diff: z.string().optional(),
});
export type Result = z.infer<typeof Result>;

export const Usage = z.object({
  prompt_tokens: z.number().nullish(),
  completion_tokens: z.number().nullish(),
  first_token_ms: z.number().nullish(),
  total_ms: z.number().nullish(),
});
export type Usage = z.infer<typeof Usage>;

const Piece = z.object({ text: z.string() });

/** The events of a stream by name. */
export const EVENTS = {
  start: Start,
  token: Piece,
  reasoning: Piece,
  retry: z.object({ reason: z.string() }),
  result: Result,
  usage: Usage,
  error: ErrorBody,
  done: z.object({ outcome: z.string(), finish_reason: z.string().nullish() }),
} as const;

export type CodeEvent = {
  [Name in keyof typeof EVENTS]: { name: Name; data: z.infer<(typeof EVENTS)[Name]> };
}[keyof typeof EVENTS];
