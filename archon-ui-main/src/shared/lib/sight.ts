/** Brings an element into sight: gliding, or at once for people who want no motion. */
export function bringIntoSight(element: Element, block: ScrollLogicalPosition = "nearest"): void {
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ block, behavior: calm ? "instant" : "smooth" });
}
