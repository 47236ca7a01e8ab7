import { useSyncExternalStore } from "react";
import { z } from "zod";

/** Work that is shown: running, or ended and not yet dismissed. */
const Item = z.object({ id: z.string(), label: z.string() });
export type WorkItem = z.infer<typeof Item>;

/** Work that this person began on this page a moment ago; a new value each time. */
export interface Begun {
  id: string;
}

const STORAGE = "archon.work";
const listeners = new Set<() => void>();
let items: readonly WorkItem[] = read();
const dismissed = new Set<string>();

function read(): readonly WorkItem[] {
  try {
    return z.array(Item).parse(JSON.parse(sessionStorage.getItem(STORAGE) ?? "[]"));
  } catch {
    return []; // Blocked or foreign storage: the server's list of running work still shows what runs.
  }
}

function change(next: readonly WorkItem[]): void {
  items = next;
  try {
    sessionStorage.setItem(STORAGE, JSON.stringify(next));
  } catch {
    // Without storage the list lives as long as the page does.
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Remembers work over a reload of the page, so that its result is not missed. */
export const work = {
  add(id: string, label: string): void {
    if (dismissed.has(id) || items.some((item) => item.id === id)) return;
    change([{ id, label }, ...items]);
  },
  /** Shows work again that had ended, or was dismissed. */
  follow(id: string, label: string): void {
    dismissed.delete(id);
    change([{ id, label }, ...items.filter((item) => item.id !== id)]);
  },
  dismiss(id: string): void {
    dismissed.add(id);
    change(items.filter((item) => item.id !== id));
  },
  clear(): void {
    dismissed.clear();
    change([]);
  },
};

export function useWorkItems(): readonly WorkItem[] {
  return useSyncExternalStore(subscribe, () => items);
}
