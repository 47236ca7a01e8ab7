import { useLayoutEffect, useRef } from "react";

const NEAR_PX = 180;

/** Keeps the end of a growing answer in sight, for a reader who is there; whoever scrolled up is left in peace. */
export function useFollow(questions: number, length: number): void {
  const seen = useRef({ questions: 0, bottom: 0 });
  useLayoutEffect(() => {
    const page = document.documentElement;
    const wasAtEnd = window.scrollY + window.innerHeight >= seen.current.bottom - NEAR_PX;
    const isNew = questions > seen.current.questions;
    seen.current = { questions, bottom: page.scrollHeight };
    if (questions > 0 && length >= 0 && (isNew || wasAtEnd)) window.scrollTo({ top: page.scrollHeight });
  }, [questions, length]);
}
