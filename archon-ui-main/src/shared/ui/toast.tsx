import { CircleAlert, CircleCheck, X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { IconButton } from "./Button";

interface Toast {
  id: number;
  tone: "good" | "bad";
  text: string;
}

const STAYS_MS = 6_000;
let toasts: readonly Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function change(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function dismiss(id: number): void {
  change(toasts.filter((toast) => toast.id !== id));
}

/** Says something whose own place is gone from the page (a deleted row, a page that was left). */
export function toast(tone: Toast["tone"], text: string): void {
  const id = nextId++;
  change([...toasts, { id, tone, text }]);
  // Bad news stays until it is read.
  if (tone === "good") setTimeout(() => dismiss(id), STAYS_MS);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed inset-x-3 bottom-20 z-50 flex flex-col items-center gap-2 sm:bottom-5"
    >
      {shown.map(({ id, tone, text }) => (
        <div
          key={id}
          className="card pointer-events-auto flex max-w-md animate-rise items-center gap-3 py-1.5 pl-4 pr-1.5 shadow-float"
        >
          {tone === "good" ? (
            <CircleCheck aria-hidden className="size-5 shrink-0 text-good" />
          ) : (
            <CircleAlert aria-hidden className="size-5 shrink-0 text-bad" />
          )}
          <p className="min-w-0 flex-1 py-1">{text}</p>
          <IconButton label="Dismiss" onClick={() => dismiss(id)}>
            <X aria-hidden className="size-4" />
          </IconButton>
        </div>
      ))}
    </div>
  );
}
