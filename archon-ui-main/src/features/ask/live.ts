import { useSyncExternalStore } from "react";
import { ApiError, streamCut } from "@/shared/api/errors";
import { type Answer, after, asked, broken, stopped } from "./answer";
import type { ChatEvent } from "./api/schemas";
import { ask, type Question, stop, watch } from "./api/stream";

/** The answer being written, or the last one that was. */
export interface Live {
  conversationId: string | null;
  answer: Answer;
  /** The page of the new conversation is on its way to its address. */
  arriving?: boolean;
  /** Another version was asked for meanwhile: the answer is shown where it is on the stored branch. */
  onBranchOnly?: boolean;
}

interface Handlers {
  /** The conversation has its id now; whether a page goes to its address. */
  onStart: (conversationId: string) => boolean;
  /** The answer has ended, however it did. */
  onEnd: (conversationId: string | null) => void;
}

/** How often a stream whose connection broke is taken up again; the server goes on writing meanwhile. */
const TRIES = 3;
const PAUSE_MS = 700;

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

type Source = (signal: AbortSignal) => AsyncGenerator<ChatEvent, void, void>;

/** Takes events in until `done`; false when the stream ended without it. */
async function read(source: Source, controller: AbortController, handlers: Handlers): Promise<boolean> {
  for await (const event of source(controller.signal)) {
    if (running !== controller || !live) return true;
    live = { ...live, answer: after(live.answer, event) };
    if (event.name === "start") {
      const conversationId = event.data.conversation_id;
      const isNew = live.conversationId === null;
      live = { ...live, conversationId, arriving: isNew };
      const goes = handlers.onStart(conversationId);
      live = { ...live, arriving: isNew && goes };
    }
    tellSoon();
    if (event.name === "done") return true;
  }
  return false;
}

/** Reads `first`, and takes the answer up again where the connection breaks once the server has it. */
async function readOn(first: Source, controller: AbortController, handlers: Handlers): Promise<boolean> {
  for (let tried = 0; ; tried += 1) {
    const messageId = live?.answer.messageId;
    const source: Source = tried > 0 && messageId ? (signal) => watch(messageId, signal) : first;
    try {
      if (await read(source, controller, handlers)) return true;
    } catch (error) {
      const mayHeal = error instanceof ApiError ? error.isUnreachable : true;
      if (controller.signal.aborted || !mayHeal || !live?.answer.messageId || tried >= TRIES) throw error;
    }
    if (!live?.answer.messageId || tried >= TRIES) return false;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * tried));
    if (running !== controller) return true;
  }
}

async function write(first: Source, controller: AbortController, handlers: Handlers): Promise<void> {
  const change = (step: (answer: Answer) => Answer) => {
    if (running === controller && live) live = { ...live, answer: step(live.answer) };
  };
  try {
    if (!(await readOn(first, controller, handlers))) change((answer) => broken(answer, streamCut()));
  } catch (error) {
    change((answer) => (controller.signal.aborted ? stopped(answer) : broken(answer, error)));
  }
  if (running !== controller) return;
  running = null;
  tell();
  handlers.onEnd(live?.conversationId ?? null);
}

function begin(next: Live, source: Source, handlers: Handlers): void {
  running?.abort();
  running = new AbortController();
  live = next;
  tell();
  void write(source, running, handlers);
}

/** One answer is watched at a time; it goes on while other pages are looked at. */
export const liveAnswer = {
  /** Asks; `shown` is how the answer looks before anything has come of it. */
  ask(question: Question, handlers: Handlers, shown?: Answer): void {
    const answer = shown ?? asked(question.message, question.after ?? null);
    begin({ conversationId: question.conversationId, answer }, (signal) => ask(question, signal), handlers);
  },
  /** Watches an answer that was asked for before this page was loaded, or in another tab. */
  watch(conversationId: string, answer: Answer, handlers: Handlers): void {
    const { messageId } = answer;
    if (messageId === null || live?.answer.messageId === messageId) return;
    begin({ conversationId, answer }, (signal) => watch(messageId, signal), handlers);
  },
  /** Asks the server to stop; before it has begun, leaving is enough. */
  stop(): void {
    const controller = running;
    const messageId = live?.answer.messageId;
    if (!messageId) {
      controller?.abort();
      if (live) live = { ...live, answer: stopped(live.answer) };
      tell();
      return;
    }
    stop(messageId).catch(() => controller?.abort());
  },
  /** The page is where the conversation's address is. */
  arrived(): void {
    if (live?.arriving) live = { ...live, arriving: false };
  },
  /** Lets the stored branch of this conversation decide what is shown. An answer that is being written goes on. */
  showStored(conversationId: string): void {
    if (live?.conversationId !== conversationId) return;
    live = running ? { ...live, onBranchOnly: true } : null;
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
