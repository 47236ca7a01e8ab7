import { expect, test } from "vitest";
import type { Citation } from "./api/schemas";
import { place } from "./support";

const citation = (changes: Partial<Citation>): Citation => ({
  sentence: "Second.",
  start: 0,
  end: 0,
  kind: "none",
  numbers: [],
  similarity: null,
  ...changes,
});

test("offsets are counted in code points, as the server counts", () => {
  const text = "😀 First. Second.";
  const [placed] = place(text, [citation({ start: 9, end: 16 })]);
  expect(text.slice(placed?.start, placed?.end)).toBe("Second.");
});

test("a sentence whose offsets are wrong is found by its words", () => {
  const [placed] = place("First. Second.", [citation({ start: 0, end: 3 })]);
  expect(placed).toMatchObject({ start: 7, end: 14 });
});

test("a sentence that is not in the text is passed over", () => {
  expect(place("First.", [citation({ start: 0, end: 3 })])).toEqual([]);
});
