import type { Citation, Passage, Usage } from "@/features/ask/api/schemas";
import type { Picked } from "@/features/connections";
import type { ErrorBody } from "@/shared/api/errors";
import type { AgentEvent, KeptMessage, Tool, Way } from "./api/schemas";

/** A question and what the agent did about it, live or kept. */
export interface Turn {
  id: string;
  question: string;
  text: string;
  reasoning: string;
  way: Way | null;
  steps: readonly Tool[];
  passages: readonly Passage[];
  citations: readonly Citation[];
  usage: Usage | null;
  error: ErrorBody | null;
  /** Who answered. */
  connectionId: string | null;
  provider: string | null;
  model: string | null;
  /** Null while it is written. */
  outcome: string | null;
}

/** A question that nothing has come of yet; its answer's id is told with `start`. */
export function begun(question: string, id = "live"): Turn {
  return {
    id,
    question,
    text: "",
    reasoning: "",
    way: null,
    steps: [],
    passages: [],
    citations: [],
    usage: null,
    error: null,
    connectionId: null,
    provider: null,
    model: null,
    outcome: null,
  };
}

/** The turn after one more event. */
export function after(turn: Turn, event: AgentEvent): Turn {
  switch (event.name) {
    case "start": {
      const { message_id, connection_id, provider, model } = event.data;
      return {
        ...turn,
        id: message_id ?? turn.id,
        connectionId: connection_id ?? null,
        provider: provider ?? null,
        model: model ?? null,
      };
    }
    case "way":
      return { ...turn, way: event.data };
    case "tool":
      return {
        ...turn,
        steps: withStep(turn.steps, event.data),
        passages: [...turn.passages, ...event.data.passages],
      };
    case "token":
      return { ...turn, text: turn.text + event.data.text };
    case "reasoning":
      return { ...turn, reasoning: turn.reasoning + event.data.text };
    case "citation":
      return { ...turn, citations: [...turn.citations, event.data] };
    case "usage":
      return { ...turn, usage: event.data };
    case "error":
      return { ...turn, error: event.data };
    case "done":
      return { ...turn, outcome: event.data.outcome };
    default:
      return turn;
  }
}

/** A call and its result are one step; the result carries no arguments. */
function withStep(steps: readonly Tool[], next: Tool): Tool[] {
  const before = steps.find((step) => step.call_id === next.call_id);
  if (!before) return [...steps, next];
  const one = { ...next, arguments: next.arguments || before.arguments };
  return steps.map((step) => (step === before ? one : step));
}

const KEPT_WAYS: Record<string, string> = {
  tools: "The model decided itself what to search and read.",
  one_pass: "Archon searched first and the model answered from what was found.",
};

function keptWay(way: string, { reason, explanation }: KeptMessage): Way {
  return { way, reason, message: explanation ?? KEPT_WAYS[way] ?? "" };
}

/** The connection and model that were chosen for the last question; of a session without one the default. */
export function chosenIn(messages: readonly KeptMessage[]): Picked {
  const last = messages.findLast((message) => message.sender === "user");
  return { connectionId: last?.connection_id ?? null, model: last?.model ?? "" };
}

/** Kept messages, question by question. */
export function turnsOf(messages: readonly KeptMessage[]): Turn[] {
  return messages.flatMap((asked, at) => {
    const said = messages[at + 1];
    if (asked.sender !== "user" || said?.sender !== "agent") return [];
    const way = said.way ? keptWay(said.way, said) : null;
    return [
      {
        ...begun(asked.content, said.id),
        text: said.content,
        way,
        steps: said.steps.map((step) => ({ ...step, passages: named(step.passages, said.passages) })),
        passages: said.passages,
        citations: said.support,
        usage: said.usage ?? null,
        error: said.error ?? null,
        connectionId: said.connection_id ?? null,
        provider: said.provider ?? null,
        model: said.model ?? null,
        outcome: said.outcome ?? "cancelled",
      },
    ];
  });
}

function named(numbers: readonly number[], passages: readonly Passage[]): Passage[] {
  return passages.filter((passage) => numbers.includes(passage.number));
}
