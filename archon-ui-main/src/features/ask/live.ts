import { useSyncExternalStore } from "react";
import { type Answer, after, asked, broken, cut, stopped } from "./answer";
import { ask, type Question } from "./api/stream";

/** The answer being written, or the last one that was. */
export interface Live {
  conversationId: string | null;
  answer: Answer;
}

interface Handlers {
  /** The conversation has its id now. */
  onStart: (conversationId: string) => void;
  /** The answer has ended, however it did. */
  onEnd: (conversationId: string | null) => void;
}

let live: Live | null = null;
let running: AbortController | null = null;
let frame: number | null = null;
const listeners = new Set<() => void>();

function tell(): void {
  if (frame !== null) cancelAnimationFrame(frame);
  frame = null;
  for (const listener of listeners) listener();
}

/** Tokens come faster than anybody reads: the page is told once a frame. */
function tellSoon(): void {
  frame ??= requestAnimationFrame(() => {
    frame = null;
    tell();
  });
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

async function write(question: Question, controller: AbortController, handlers: Handlers): Promise<void> {
  const change = (step: (answer: Answer) => Answer) => {
    if (running === controller && live) live = { ...live, answer: step(live.answer) };
  };
  try {
    for await (const event of ask(question, controller.signal)) {
      if (running !== controller) return;
      change((answer) => after(answer, event));
      if (event.name === "start" && live) {
        live = { ...live, conversationId: event.data.conversation_id };
        handlers.onStart(event.data.conversation_id);
      }
      tellSoon();
    }
    change(cut);
  } catch (error) {
    change((answer) => (controller.signal.aborted ? stopped(answer) : broken(answer, error)));
  }
  if (running !== controller) return;
  running = null;
  tell();
  handlers.onEnd(live?.conversationId ?? null);
}

/** One answer is written at a time; it goes on while other pages are looked at. */
export const liveAnswer = {
  ask(question: Question, handlers: Handlers): void {
    running?.abort();
    running = new AbortController();
    live = { conversationId: question.conversationId, answer: asked(question.message) };
    tell();
    void write(question, running, handlers);
  },
  /** Closes the connection, which stops the model. */
  stop(): void {
    running?.abort();
    if (live) live = { ...live, answer: stopped(live.answer) };
    tell();
  },
  clear(): void {
    running?.abort();
    running = null;
    live = null;
    tell();
  },
};

export function useLive(): Live | null {
  return useSyncExternalStore(subscribe, () => live);
}
