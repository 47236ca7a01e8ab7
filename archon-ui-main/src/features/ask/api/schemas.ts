import { z } from "zod";
import { ErrorBody } from "@/shared/api/errors";

const text = z.string().nullish().catch(null);
const number = z.number().nullish().catch(null);
const texts = z.array(z.string()).catch([]);

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

const LeftOut = z
  .object({
    passages: z.number().catch(0),
    messages: z.number().catch(0),
    passage_cut: z.boolean().catch(false),
    attachments: z.number().catch(0),
  })
  .nullish()
  .catch(null);
export type LeftOut = z.infer<typeof LeftOut>;

const Start = z.object({
  conversation_id: z.string(),
  message_id: z.string(),
  question_id: text,
  connection_id: text,
  provider: text,
  model: text,
  passages: z.array(Passage),
  reason: text,
  left_out: LeftOut,
  knowledge: z.boolean().catch(true),
});

const Done = z.object({
  outcome: Outcome,
  finish_reason: text,
  supported: z.boolean().nullish().catch(null),
  answer: z.string(),
  message_id: text,
  provider: text,
  model: text,
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

const Notes = z
  .object({ knowledge: z.boolean().catch(true), reason: text, left_out: LeftOut })
  .nullish()
  .catch(null);

export const Message = z.object({
  id: z.string(),
  parent_id: text,
  role: z.enum(["user", "assistant", "system"]),
  content: z.string().catch(""),
  reasoning: z.string().nullish().catch(""),
  outcome: Outcome.nullish().catch(null),
  finish_reason: text,
  passages: z.array(Passage).nullish().catch([]),
  support: z
    .array(Citation)
    .nullish()
    .transform((support) => support ?? [])
    .catch([]),
  notes: Notes,
  connection_id: text,
  provider: text,
  model: text,
  usage: Usage.nullish().catch(null),
  error: ErrorBody.nullish().catch(null),
  created_at: text,
  /** Ids of all that stand in its place, where there are several: edits of a question, retries of an answer. */
  versions: texts,
});
export type Message = z.infer<typeof Message>;

export const ChatSettings = z.object({
  connection_id: text.default(null),
  model: text.default(null),
  knowledge: z.boolean().default(true),
  source_ids: texts.default([]),
  tags: texts.default([]),
  pages: texts.default([]),
  pinned_sources: texts.default([]),
  match_count: z.number().default(6),
  system_prompt: z.string().default(""),
  temperature: number.default(null),
  top_p: number.default(null),
  max_tokens: number.default(null),
  stop: texts.default([]),
  seed: number.default(null),
});
export type ChatSettings = z.infer<typeof ChatSettings>;

export const DEFAULT_SETTINGS: ChatSettings = ChatSettings.parse({});

export const Conversation = z.object({
  id: z.string(),
  title: text,
  settings: ChatSettings.catch(DEFAULT_SETTINGS).default(DEFAULT_SETTINGS),
  messages: z.array(Message),
  /** Whether there are messages before the first of these. */
  earlier: z.boolean().catch(false),
  /** The model is being asked for its title. */
  naming: z.boolean().catch(false),
});
export type Conversation = z.infer<typeof Conversation>;

export const ConversationInfo = z.object({
  id: z.string(),
  title: text,
  created_at: text,
  updated_at: text,
  message_count: z.number().catch(0),
  snippet: text,
  naming: z.boolean().catch(false),
});
export type ConversationInfo = z.infer<typeof ConversationInfo>;

export const ConversationList = z.object({ conversations: z.array(ConversationInfo) });

/** What the sampling settings may be with a model; `max_tokens` is the connection's own limit where that is smaller. */
export const Limits = z.object({ model: text, max_model_len: number, max_tokens: z.object({ max: number }) });
export type Limits = z.infer<typeof Limits>;

export const PageName = z.object({
  page_id: z.string(),
  title: text,
  url: z.string(),
  source_id: z.string(),
});
export type PageName = z.infer<typeof PageName>;
export const Attached = z.object({
  attached: z.array(
    z.object({
      kind: z.enum(["page", "source"]),
      id: z.string(),
      title: text,
      url: text,
      passages: z.number(),
    }),
  ),
});
export const PageNames = z.object({ pages: z.array(PageName) });
