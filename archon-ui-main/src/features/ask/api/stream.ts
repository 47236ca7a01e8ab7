import { send } from "@/shared/api/client";
import { unreadable } from "@/shared/api/errors";
import { readEvents, type SseEvent } from "@/shared/api/sse";
import { type ChatEvent, type ChatSettings, EVENTS } from "./schemas";

/** A question, or what to do with an earlier one; at most one of `edits`, `answers` and `continues`. */
export interface Question {
  message: string;
  conversationId: string | null;
  /** Of a new conversation; one that is there has its own. */
  settings?: ChatSettings;
  /** The answer it follows. */
  after?: string | null;
  /** The question it stands beside. */
  edits?: string;
  /** The question that is answered once more. */
  answers?: string;
  /** The answer to go on with. */
  continues?: string;
}

const PATH = "/api/chat";
const STREAM = "text/event-stream";

/** How long an answer goes on when nobody watches it: long enough to reload a page. */
const KEEP_S = 20;

/** The events of an answer as it is written.
 *
 * @throws ApiError when the server refuses the question, or sends what is no event of ours.
 */
export async function* ask(question: Question, signal: AbortSignal): AsyncGenerator<ChatEvent, void, void> {
  const { message, conversationId, settings, after, edits, answers, continues } = question;
  const json = {
    message,
    conversation_id: conversationId,
    settings,
    after: after ?? undefined,
    edits,
    answers,
    continues,
    keep_s: KEEP_S,
  };
  yield* events(await send(PATH, { method: "POST", json, signal, accept: STREAM }));
}

/** The events of an answer that was asked for before, from its start. Throws as `ask`. */
export async function* watch(messageId: string, signal: AbortSignal): AsyncGenerator<ChatEvent, void, void> {
  const path = `${PATH}/answers/${encodeURIComponent(messageId)}/events`;
  yield* events(await send(path, { signal, accept: STREAM }));
}

/** Stops the model's work on an answer; its stream then ends. */
export async function stop(messageId: string): Promise<void> {
  await send(`${PATH}/answers/${encodeURIComponent(messageId)}/stop`, { method: "POST" });
}

async function* events(response: Response): AsyncGenerator<ChatEvent, void, void> {
  if (!response.body) return;
  for await (const event of readEvents(response.body)) {
    const known = parse(event);
    if (known) yield known;
    if (known?.name === "done") return;
  }
}

/** Events of a later server that this page does not know are passed over. */
function parse({ name, data }: SseEvent): ChatEvent | null {
  if (!isKnown(name)) return null;
  const parsed = EVENTS[name].safeParse(json(data));
  if (!parsed.success) throw unreadable(`${PATH} (${name})`, parsed.error.message);
  return { name, data: parsed.data } as ChatEvent;
}

function isKnown(name: string): name is ChatEvent["name"] {
  return Object.hasOwn(EVENTS, name);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Fails the schema, which says where.
  }
}
