import { send } from "@/shared/api/client";
import { unreadable } from "@/shared/api/errors";
import { readEvents, type SseEvent } from "@/shared/api/sse";
import { type ChatEvent, EVENTS } from "./schemas";

export interface Question {
  message: string;
  conversationId: string | null;
  sourceIds: readonly string[];
}

const PATH = "/api/chat";

/** The events of an answer as it is written. Aborting the signal stops the model's work.
 *
 * @throws ApiError when the server refuses the question, or sends what is no event of ours.
 */
export async function* ask(question: Question, signal: AbortSignal): AsyncGenerator<ChatEvent, void, void> {
  const json = {
    message: question.message,
    conversation_id: question.conversationId,
    source_ids: question.sourceIds,
  };
  const response = await send(PATH, { method: "POST", json, signal, accept: "text/event-stream" });
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
