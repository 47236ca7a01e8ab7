import { bodyOf, type ErrorBody, localError } from "@/shared/api/errors";
import type { ChatEvent, Citation, Message, Outcome, Passage, Usage } from "./api/schemas";

/** A question and its answer, being written or stored. */
export interface Answer {
  /** Its place in the conversation, from 0: what stays the same while it is written and stored. */
  turn: number;
  question: string;
  messageId: string | null;
  text: string;
  reasoning: string;
  passages: readonly Passage[];
  citations: readonly Citation[];
  usage: Usage | null;
  error: ErrorBody | null;
  /** null while it is being written. */
  outcome: Outcome | null;
  finishReason: string | null;
  /** Why no passage was found, where none was. */
  reason: string | null;
  /** Whether anything of it has support; null while nobody knows. */
  supported: boolean | null;
  model: string | null;
}

export function asked(question: string): Answer {
  return {
    turn: 0,
    question,
    messageId: null,
    text: "",
    reasoning: "",
    passages: [],
    citations: [],
    usage: null,
    error: null,
    outcome: null,
    finishReason: null,
    reason: null,
    supported: null,
    model: null,
  };
}

/** The answer after one more event. */
export function after(answer: Answer, event: ChatEvent): Answer {
  switch (event.name) {
    case "start": {
      const { message_id, model, passages, reason } = event.data;
      return { ...answer, messageId: message_id, model: model ?? null, passages, reason: reason ?? null };
    }
    case "token":
      return { ...answer, text: answer.text + event.data.text };
    case "reasoning":
      return { ...answer, reasoning: answer.reasoning + event.data.text };
    case "citation":
      return { ...answer, citations: [...answer.citations, event.data] };
    case "usage":
      return { ...answer, usage: event.data };
    case "error":
      return { ...answer, error: event.data };
    case "done": {
      const { outcome, finish_reason, supported, answer: whole, message_id } = event.data;
      return {
        ...answer,
        outcome,
        finishReason: finish_reason ?? null,
        // An answer that broke before its sentences were looked at is not an unsupported one.
        supported: outcome === "complete" || answer.citations.length > 0 ? supported : null,
        text: whole || answer.text,
        messageId: message_id ?? answer.messageId,
      };
    }
  }
}

export function stopped(answer: Answer): Answer {
  return answer.outcome ? answer : { ...answer, outcome: "cancelled" };
}

/** An answer whose stream broke, or was never begun. */
export function broken(answer: Answer, error: unknown): Answer {
  return answer.outcome
    ? answer
    : { ...answer, outcome: "upstream_error", error: answer.error ?? bodyOf(error) };
}

/** A stream that ended without saying so was cut on its way. */
export function cut(answer: Answer): Answer {
  const error = localError(
    "stream_cut",
    "The connection ended before the answer did.",
    "Ask again; if it stays, check that Archon's server still runs.",
    true,
  );
  return answer.outcome ? answer : { ...answer, outcome: "upstream_error", error: answer.error ?? error };
}

/** Stored messages as questions with their answers. */
export function answersOf(messages: readonly Message[]): Answer[] {
  const answers: Answer[] = [];
  let question = "";
  for (const message of messages) {
    if (message.role === "user") question = message.content;
    if (message.role === "assistant") answers.push(stored(question, message));
  }
  const last = messages.at(-1);
  // A question whose answer was never stored: the server was stopped in the middle of it.
  if (last?.role === "user") answers.push({ ...asked(last.content), outcome: "cancelled" });
  return answers.map((answer, turn) => ({ ...answer, turn }));
}

/** An answer without an end after this long was interrupted by a server that died. */
const GIVEN_UP_MS = 10 * 60_000;

function outcomeOf(message: Message): Outcome | null {
  const age = Date.now() - Date.parse(message.created_at ?? "");
  return message.outcome ?? (age < GIVEN_UP_MS ? null : "cancelled");
}

/** Whether a stored answer is still being written. */
export function answerIsOpen(message: Message): boolean {
  return outcomeOf(message) === null;
}

function stored(question: string, message: Message): Answer {
  const supported = message.support.length === 0 ? null : message.support.some((one) => one.kind !== "none");
  return {
    ...asked(question),
    messageId: message.id,
    text: message.content,
    passages: message.passages ?? [],
    citations: message.support,
    usage: message.usage ?? null,
    error: message.error ?? null,
    outcome: outcomeOf(message),
    supported,
    model: message.model ?? null,
  };
}
