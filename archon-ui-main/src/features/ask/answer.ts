import { bodyOf, type ErrorBody } from "@/shared/api/errors";
import type { ChatEvent, Citation, LeftOut, Message, Outcome, Passage, Usage } from "./api/schemas";

/** A question and its answer, being written or stored. */
export interface Answer {
  question: string;
  questionId: string | null;
  /** The answer that the question follows. */
  after: string | null;
  /** Ids of all edits of the question, of all answers to it; empty where there is one. */
  questionVersions: readonly string[];
  versions: readonly string[];
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
  /** Whether passages were looked for at all. */
  knowledge: boolean;
  /** Why no passage was found, where none was. */
  reason: string | null;
  leftOut: LeftOut;
  /** Whether anything of it has support; null while nobody knows. */
  supported: boolean | null;
  /** Who answered: connection, provider, model. */
  connectionId: string | null;
  provider: string | null;
  model: string | null;
}

export function asked(question: string, after: string | null = null): Answer {
  return {
    question,
    questionId: null,
    after,
    questionVersions: [],
    versions: [],
    messageId: null,
    text: "",
    reasoning: "",
    passages: [],
    citations: [],
    usage: null,
    error: null,
    outcome: null,
    finishReason: null,
    knowledge: true,
    reason: null,
    leftOut: null,
    supported: null,
    connectionId: null,
    provider: null,
    model: null,
  };
}

/** The answer after one more event. */
export function after(answer: Answer, event: ChatEvent): Answer {
  switch (event.name) {
    case "start": {
      const { message_id, question_id, connection_id, provider, model } = event.data;
      const { passages, reason, left_out, knowledge } = event.data;
      // Whoever reads this event begins anew with it: the answer may be told once more after a broken connection.
      return {
        ...asked(answer.question, answer.after),
        questionVersions: answer.questionVersions,
        messageId: message_id,
        questionId: question_id ?? answer.questionId,
        connectionId: connection_id ?? null,
        provider: provider ?? null,
        model: model ?? null,
        passages,
        knowledge,
        reason: reason ?? null,
        leftOut: left_out ?? null,
      };
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
      const { outcome, finish_reason, supported, answer: whole, message_id, provider, model } = event.data;
      return {
        ...answer,
        outcome,
        finishReason: finish_reason ?? null,
        // An answer that broke before its sentences were looked at is not an unsupported one.
        supported: outcome === "complete" || answer.citations.length > 0 ? (supported ?? null) : null,
        text: whole || answer.text,
        messageId: message_id ?? answer.messageId,
        provider: provider ?? answer.provider,
        model: model ?? answer.model,
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

/** Whether it can be gone on with: it ended before it was whole, and the server has it. */
export function canContinue({ outcome, finishReason, messageId }: Answer): boolean {
  if (messageId === null || outcome === null) return false;
  return outcome !== "complete" || finishReason === "length";
}

/** Stored messages as questions with their answers. */
export function answersOf(messages: readonly Message[]): Answer[] {
  const answers: Answer[] = [];
  let question: Message | null = null;
  for (const message of messages) {
    if (message.role === "user") question = message;
    if (message.role === "assistant") answers.push(stored(question, message));
  }
  return answers;
}

function stored(question: Message | null, message: Message): Answer {
  const { support, notes } = message;
  return {
    ...asked(question?.content ?? "", question?.parent_id ?? null),
    questionId: question?.id ?? null,
    questionVersions: question?.versions ?? [],
    versions: message.versions,
    messageId: message.id,
    text: message.content,
    reasoning: message.reasoning ?? "",
    passages: message.passages ?? [],
    citations: support,
    usage: message.usage ?? null,
    error: message.error ?? null,
    outcome: message.outcome ?? null,
    finishReason: message.finish_reason ?? null,
    knowledge: notes?.knowledge ?? true,
    reason: notes?.reason ?? null,
    leftOut: notes?.left_out ?? null,
    supported: support.length === 0 ? null : support.some((one) => one.kind !== "none"),
    connectionId: message.connection_id ?? null,
    provider: message.provider ?? null,
    model: message.model ?? null,
  };
}
