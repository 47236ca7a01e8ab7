import { useEffect, useRef } from "react";

export interface Shortcut {
  keys: string;
  does: string;
}

/** What is listed, in the order of use. */
export const SHORTCUTS: readonly Shortcut[] = [
  { keys: "Enter", does: "Ask" },
  { keys: "Shift + Enter", does: "Begin a new line" },
  { keys: "/", does: "Go to the question box" },
  { keys: "Escape", does: "Stop the answer, while it is written" },
  { keys: "Alt + R", does: "Answer the last question again" },
  { keys: "Alt + C", does: "Continue an answer that was cut" },
  { keys: "Alt + S", does: "Open the conversation's settings" },
  { keys: "?", does: "Show this list" },
];

interface Doings {
  stop: () => void;
  retry: () => void;
  goOn: () => void;
  settings: () => void;
  help: () => void;
}

/** The conversation's keys. Plain ones count only where nobody types. */
export function useShortcuts(doings: Doings): void {
  const now = useRef(doings);
  now.current = doings;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || inWindow()) return;
      const does = event.altKey ? withAlt(event, now.current) : plain(event, now.current);
      if (!does) return;
      event.preventDefault();
      does();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

/** A window above the page has keys of its own. */
function inWindow(): boolean {
  return document.querySelector('[role="dialog"]') !== null;
}

function withAlt({ code }: KeyboardEvent, doings: Doings): (() => void) | undefined {
  return { KeyR: doings.retry, KeyC: doings.goOn, KeyS: doings.settings }[code];
}

function plain({ key, target }: KeyboardEvent, doings: Doings): (() => void) | undefined {
  if (key === "Escape") return doings.stop;
  const types = target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
  if (types) return undefined;
  return { "?": doings.help, "/": focusComposer }[key];
}

function focusComposer(): void {
  document.querySelector<HTMLTextAreaElement>("[data-composer]")?.focus();
}
