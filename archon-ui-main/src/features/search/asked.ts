import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";
import type { KeepFocus } from "@/shared/lib/focus";

export const VIEWS = ["passages", "pages", "code"] as const;
export type View = (typeof VIEWS)[number];

export const FILTERS = ["sources", "tags", "types", "languages"] as const;
export type Filter = (typeof FILTERS)[number];

/** What is asked, whole: the address of the page holds exactly this. */
export interface Asked extends Record<Filter, string[]> {
  query: string;
  view: View;
  count: number;
}

export const FIRST = 10;
export const MOST = 100;

const NAMES: Record<Filter, string> = {
  sources: "source",
  tags: "tag",
  types: "type",
  languages: "language",
};

export function readAsked(address: URLSearchParams): Asked {
  const count = Number(address.get("n"));
  return {
    query: (address.get("q") ?? "").trim(),
    view: VIEWS.find((view) => view === address.get("view")) ?? "passages",
    count: Number.isInteger(count) && count >= FIRST ? Math.min(count, MOST) : FIRST,
    sources: address.getAll(NAMES.sources),
    tags: address.getAll(NAMES.tags),
    types: address.getAll(NAMES.types),
    languages: address.getAll(NAMES.languages),
  };
}

/** The address of `asked`; what is as usual is left out. */
export function writeAsked(asked: Asked): URLSearchParams {
  const address = new URLSearchParams();
  if (asked.query) address.set("q", asked.query);
  if (asked.view !== "passages") address.set("view", asked.view);
  for (const filter of FILTERS) {
    for (const value of asked[filter]) address.append(NAMES[filter], value);
  }
  if (asked.count > FIRST) address.set("n", String(asked.count));
  return address;
}

export function isFiltered(asked: Asked): boolean {
  return FILTERS.some((filter) => asked[filter].length > 0);
}

const KEEP: KeepFocus = { keepFocus: true };

/** What the address asks, and a way to change it; a new question is a step that Back undoes. */
export function useAsked(): [Asked, (changes: Partial<Asked>) => void] {
  const [address, setAddress] = useSearchParams();
  const asked = useMemo(() => readAsked(address), [address]);
  const change = useCallback(
    (changes: Partial<Asked>) =>
      setAddress(writeAsked({ ...asked, count: FIRST, ...changes }), {
        state: KEEP,
        replace: changes.count !== undefined,
        preventScrollReset: true,
      }),
    [asked, setAddress],
  );
  return [asked, change];
}
