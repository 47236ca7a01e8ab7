import { type KeyboardEvent, type RefObject, useEffect } from "react";

/** "/" anywhere goes to the box, unless something is being typed. */
export function useSlash(box: RefObject<HTMLInputElement | null>): void {
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      const typing = event.target instanceof Element && event.target.closest("input, textarea, select");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      box.current?.focus();
      box.current?.select();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [box]);
}

/** Down and Up walk from the box through the results; what has the focus opens with Enter, as links do. */
export function walkResults(event: KeyboardEvent<HTMLElement>, box: HTMLInputElement | null): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const stops: (EventTarget | null)[] = [
    box,
    ...event.currentTarget.querySelectorAll<HTMLElement>("[data-hit]"),
  ];
  const here = stops.indexOf(event.target);
  if (here < 0) return;
  const next = stops[here + (event.key === "ArrowDown" ? 1 : -1)];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
}
