import { z } from "zod";
import { ErrorBody } from "@/shared/api/errors";

const text = z.string().nullish().catch(null);
const number = z.number().nullish().catch(null);

export const Passage = z.object({
  number: z.number(),
  chunk_id: z.union([z.string(), z.number()]).transform(String),
  source_id: text,
  page_id: text,
  url: text,
  title: text,
  heading_path: z
    .union([z.array(z.string()), z.string().transform((path) => path.split(" > "))])
    .nullish()
    .transform((path) => path ?? [])
    .catch([]),
  text: z.string(),
  similarity: number,
  page_number: number,
});
export type Passage = z.infer<typeof Passage>;

export const SupportKind = z.enum(["cited", "similar", "none"]);
export type SupportKind = z.infer<typeof SupportKind>;

export const Citation = z.object({
  sentence: z.string(),
  start: z.number(),
  end: z.number(),
  kind: SupportKind,
  numbers: z.array(z.number()).catch([]),
  similarity: number,
});
export type Citation = z.infer<typeof Citation>;

export const Usage = z.object({
  prompt_tokens: number,
  completion_tokens: number,
  first_token_ms: number,
  total_ms: number,
  tokens_per_s: number,
});
export type Usage = z.infer<typeof Usage>;

export const Outcome = z.enum(["complete", "truncated", "upstream_error", "stalled", "cancelled"]);
export type Outcome = z.infer<typeof Outcome>;

const Start = z.object({
  conversation_id: z.string(),
  message_id: z.string(),
  provider: text,
  model: text,
  passages: z.array(Passage),
  reason: text,
});

const Done = z.object({
  outcome: Outcome,
  finish_reason: text,
  supported: z.boolean(),
  answer: z.string(),
  message_id: text,
});

const Piece = z.object({ text: z.string() });

/** An error event carries the body itself or, like REST, wraps it in `detail`. */
const Failure = z.union([z.object({ detail: ErrorBody }).transform(({ detail }) => detail), ErrorBody]);

/** The events of a chat stream by name. */
export const EVENTS = {
  start: Start,
  token: Piece,
  reasoning: Piece,
  citation: Citation,
  usage: Usage,
  error: Failure,
  done: Done,
} as const;

export type ChatEvent = {
  [Name in keyof typeof EVENTS]: { name: Name; data: z.infer<(typeof EVENTS)[Name]> };
}[keyof typeof EVENTS];

/** How a stored answer's sentences are supported: the citations, or an object that holds them. */
const StoredSupport = z
  .union([
    z.array(Citation),
    z.object({ sentences: z.array(Citation) }).transform((support) => support.sentences),
    z.object({ citations: z.array(Citation) }).transform((support) => support.citations),
  ])
  .nullish()
  .transform((support) => support ?? [])
  .catch([]);

export const Message = z.object({
  id: z.string(),
  role: z.enum(["user", "assistant", "system"]),
  content: z.string().catch(""),
  outcome: Outcome.nullish().catch(null),
  passages: z.array(Passage).nullish().catch([]),
  support: StoredSupport,
  provider: text,
  model: text,
  usage: Usage.nullish().catch(null),
  error: ErrorBody.nullish().catch(null),
  created_at: text,
});
export type Message = z.infer<typeof Message>;

export const Conversation = z.object({ id: z.string(), title: text, messages: z.array(Message) });
export type Conversation = z.infer<typeof Conversation>;

export const ConversationInfo = z.object({
  id: z.string(),
  title: text,
  created_at: text,
  updated_at: text,
  message_count: z.number().catch(0),
});
export type ConversationInfo = z.infer<typeof ConversationInfo>;

export const ConversationList = z.object({ conversations: z.array(ConversationInfo) });
