import { useState, useSyncExternalStore } from "react";

function everySecond(tick: () => void): () => void {
  const timer = setInterval(tick, 1000);
  return () => clearInterval(timer);
}

/** Seconds since it appeared; for eyes only, a screen reader is not counted at. */
export function Elapsed() {
  const [start] = useState(() => Date.now());
  const seconds = useSyncExternalStore(everySecond, () => Math.floor((Date.now() - start) / 1000));
  return (
    <span aria-hidden className="text-sm tabular-nums text-soft">
      {seconds} s
    </span>
  );
}
