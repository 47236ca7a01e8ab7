import { expect, test } from "vitest";
import { locate } from "./passage";

const TEXT = "# Tasks\n\nRun them   all\nat once.\n\nThen wait.";

function found(passage: string): string | null {
  const range = locate(TEXT, passage);
  return range && TEXT.slice(range.start, range.end);
}

test("a passage is found whatever its white space", () => {
  expect(found("Run them all at once.")).toBe("Run them   all\nat once.");
});

test("lines that only name its headings are left off", () => {
  expect(found("Guide > Tasks\n\nThen wait.")).toBe("Then wait.");
});

test("a passage that is not there is not found", () => {
  expect(found("Something else.")).toBeNull();
});

test("an empty passage is nowhere", () => {
  expect(found(" \n ")).toBeNull();
});
