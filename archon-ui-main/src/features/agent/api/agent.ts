import { useQuery } from "@tanstack/react-query";
import { z } from "zod";
import type { Picked } from "@/features/connections";
import { request, send } from "@/shared/api/client";
import { streamCut, unreadable } from "@/shared/api/errors";
import { readEvents, type SseEvent } from "@/shared/api/sse";
import { type AgentEvent, EVENTS, KeptMessage, SessionMade } from "./schemas";

const SESSIONS = "/api/agent-chat/sessions";

export function sessionKey(id: string | null) {
  return ["agent", "session", id] as const;
}

/** Begins a session; its id.
 *
 * @throws ApiError when the server refuses.
 */
export async function beginSession(): Promise<string> {
  return (await request(SessionMade, SESSIONS, { method: "POST", json: {} })).session_id;
}

/** The messages of a session, as they are kept. */
export function useSession(id: string | null) {
  return useQuery({
    queryKey: sessionKey(id),
    queryFn: ({ signal }) =>
      request(z.array(KeptMessage), `${SESSIONS}/${encodeURIComponent(id ?? "")}/messages`, { signal }),
    enabled: id !== null,
  });
}

/** The agent's events as it works. Aborting the signal stops the model.
 *
 * @throws ApiError when the server refuses the question, sends what is no event of ours, or is cut off.
 */
export async function* askAgent(
  session: string,
  message: string,
  { connectionId, model }: Picked,
  signal: AbortSignal,
): AsyncGenerator<AgentEvent, void, void> {
  const path = `${SESSIONS}/${encodeURIComponent(session)}/stream`;
  const response = await send(path, {
    method: "POST",
    json: { message, connection_id: connectionId, model: model.trim() || null },
    signal,
    accept: "text/event-stream",
  });
  if (!response.body) return;
  for await (const event of readEvents(response.body)) {
    const known = parse(event);
    if (known) yield known;
    if (known?.name === "done") return;
  }
  throw streamCut();
}

/** Events of a later server that this page does not know are passed over. */
function parse({ name, data }: SseEvent): AgentEvent | null {
  if (!Object.hasOwn(EVENTS, name)) return null;
  const parsed = EVENTS[name as AgentEvent["name"]].safeParse(json(data));
  if (!parsed.success) throw unreadable(`agent (${name})`, parsed.error.message);
  return { name, data: parsed.data } as AgentEvent;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Fails the schema, which says where.
  }
}
