import { useEffect, useReducer, useRef } from "react";
import { bodyOf, type ErrorBody, localError } from "@/shared/api/errors";
import type { CodeEvent, Result, Start, Usage } from "../api/schemas";
import { askForHelp, type Question, type Wish } from "../api/stream";

export interface Help {
  phase: "idle" | "running" | "ended";
  wish: Wish;
  start: Start | null;
  /** The model's words so far. */
  text: string;
  thoughts: string;
  /** Why the model was asked once more. */
  retry: string | null;
  result: Result | null;
  usage: Usage | null;
  error: ErrorBody | null;
  stopped: boolean;
}

const NOTHING: Help = {
  phase: "idle",
  wish: "explain",
  start: null,
  text: "",
  thoughts: "",
  retry: null,
  result: null,
  usage: null,
  error: null,
  stopped: false,
};

type Action =
  | { name: "asked"; wish: Wish }
  | { name: "stopped" }
  | { name: "broken"; error: ErrorBody }
  | { name: "cut" }
  | CodeEvent;

const CUT = localError(
  "stream_cut",
  "The answer broke off before its end.",
  "Ask again; what came is not whole.",
  true,
);

export function reduce(help: Help, action: Action): Help {
  switch (action.name) {
    case "asked":
      return { ...NOTHING, phase: "running", wish: action.wish };
    case "start":
      return { ...help, start: action.data };
    case "token":
      return { ...help, text: help.text + action.data.text };
    case "reasoning":
      return { ...help, thoughts: help.thoughts + action.data.text };
    case "retry":
      return { ...help, text: "", thoughts: "", retry: action.data.reason };
    case "result":
      return { ...help, result: action.data };
    case "usage":
      return { ...help, usage: action.data };
    case "error":
      return { ...help, error: action.data };
    case "done":
      return {
        ...help,
        phase: "ended",
        error: help.error ?? (action.data.outcome === "complete" ? null : CUT),
      };
    case "stopped":
      return { ...help, phase: "ended", stopped: true };
    case "broken":
      return { ...help, phase: "ended", error: action.error };
    case "cut":
      return help.phase === "running" ? { ...help, phase: "ended", error: CUT } : help;
  }
}

/** One explanation or rewrite at a time; a new one, and leaving the page, stop the model's work. */
export function useCodeHelp() {
  const [help, dispatch] = useReducer(reduce, NOTHING);
  const running = useRef<AbortController>(null);
  useEffect(() => () => running.current?.abort(), []);

  const ask = async (wish: Wish, question: Question) => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    dispatch({ name: "asked", wish });
    try {
      for await (const event of askForHelp(wish, question, controller.signal)) {
        if (controller.signal.aborted) return;
        dispatch(event);
      }
      dispatch({ name: "cut" });
    } catch (error) {
      if (!controller.signal.aborted) dispatch({ name: "broken", error: bodyOf(error) });
    }
  };
  const stop = () => {
    running.current?.abort();
    dispatch({ name: "stopped" });
  };
  return { help, ask, stop };
}
