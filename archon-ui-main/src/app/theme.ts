import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const STORAGE = "archon.theme";
const ORDER: readonly Theme[] = ["system", "light", "dark"];
const listeners = new Set<() => void>();
let theme: Theme = read();

function read(): Theme {
  try {
    return ORDER.find((one) => one === localStorage.getItem(STORAGE)) ?? "system";
  } catch {
    return "system"; // Storage is blocked: the choice lasts as long as the page.
  }
}

const system = () => window.matchMedia("(prefers-color-scheme: dark)");

function paint(): void {
  const dark = theme === "dark" || (theme === "system" && system().matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

/** Follows the system's theme from now on, where nothing else is chosen. */
export function followSystemTheme(): void {
  paint();
  system().addEventListener("change", paint);
}

export function nextTheme(current: Theme): Theme {
  return ORDER[(ORDER.indexOf(current) + 1) % ORDER.length] ?? "system";
}

export function setTheme(next: Theme): void {
  theme = next;
  try {
    localStorage.setItem(STORAGE, next);
  } catch {
    // See read().
  }
  paint();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, () => theme);
}
