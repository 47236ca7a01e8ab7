import { send } from "@/shared/api/client";
import { unreadable } from "@/shared/api/errors";
import { readEvents, type SseEvent } from "@/shared/api/sse";
import { type CodeEvent, EVENTS } from "./schemas";

export type Wish = "explain" | "rewrite";

export interface Question {
  path: string;
  text: string;
  selection: { start: number; end: number };
  /** A question, or the instruction of a rewrite. */
  words: string;
  files: { path: string; text: string }[];
  passages: number;
  connection_id: string | null;
  model: string | null;
}

/** The events of an answer as it is written. Aborting the signal stops the model's work.
 *
 * @throws ApiError when the server refuses the question, or sends what is no event of ours.
 */
export async function* askForHelp(
  wish: Wish,
  { words, ...question }: Question,
  signal: AbortSignal,
): AsyncGenerator<CodeEvent, void, void> {
  const path = `/api/ai/${wish}/stream`;
  const json = { ...question, [wish === "rewrite" ? "instruction" : "question"]: words };
  const response = await send(path, { method: "POST", json, signal, accept: "text/event-stream" });
  if (!response.body) return;
  for await (const event of readEvents(response.body)) {
    const known = parse(path, event);
    if (known) yield known;
    if (known?.name === "done") return;
  }
}

/** Events that this page does not know are passed over, and so is the mark at the end. */
function parse(path: string, { name, data }: SseEvent): CodeEvent | null {
  if (!isKnown(name)) return null;
  const parsed = EVENTS[name].safeParse(json(data));
  if (!parsed.success) throw unreadable(`${path} (${name})`, parsed.error.message);
  return { name, data: parsed.data } as CodeEvent;
}

function isKnown(name: string): name is CodeEvent["name"] {
  return Object.hasOwn(EVENTS, name);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Fails the schema, which says where.
  }
}
