import { z } from "zod";
import { Citation, Passage, Usage } from "@/features/ask/api/schemas";
import { ErrorBody } from "@/shared/api/errors";

const text = z.string().nullish().catch(null);

const Way = z.object({ way: z.string(), reason: text, message: z.string().catch("") });
export type Way = z.infer<typeof Way>;

const Tool = z.object({
  call_id: z.string(),
  tool: z.string(),
  state: z.enum(["called", "answered", "refused"]).catch("answered"),
  asked_by: z.string().catch("model"),
  arguments: z.string().catch(""),
  summary: z.string().catch(""),
  passages: z.array(Passage).catch([]),
});
export type Tool = z.infer<typeof Tool>;

const Piece = z.object({ text: z.string() });

/** What an answer of the agent sends, by name. */
export const EVENTS = {
  start: z.object({ message_id: text, connection_id: text, provider: text, model: text }),
  way: Way,
  tool: Tool,
  token: Piece,
  reasoning: Piece,
  citation: Citation,
  usage: Usage,
  error: ErrorBody,
  done: z.object({ outcome: z.string(), supported: z.boolean().catch(false), answer: z.string().catch("") }),
} as const;
export type AgentEvent = {
  [Name in keyof typeof EVENTS]: { name: Name; data: z.infer<(typeof EVENTS)[Name]> };
}[keyof typeof EVENTS];

export const SessionMade = z.object({ session_id: z.string() });

/** A kept step names its passages by number; the message has them. */
const KeptStep = Tool.extend({ passages: z.array(z.number()).catch([]) });

export const KeptMessage = z.object({
  id: z.string(),
  content: z.string(),
  sender: z.string(),
  timestamp: z.string(),
  /** What a question chose, and who gave an answer. */
  connection_id: text,
  provider: text,
  model: text,
  outcome: text,
  way: text,
  /** Why it went that way, in a word and for people. */
  reason: text,
  explanation: text,
  steps: z.array(KeptStep).catch([]),
  passages: z.array(Passage).catch([]),
  support: z.array(Citation).catch([]),
  usage: Usage.nullish().catch(null),
  error: ErrorBody.nullish().catch(null),
});
export type KeptMessage = z.infer<typeof KeptMessage>;
