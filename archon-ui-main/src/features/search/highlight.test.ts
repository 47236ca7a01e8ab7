import { describe, expect, test } from "vitest";
import { markedWords, pieces } from "./highlight";

function marks(text: string, query: string): string[] {
  return pieces(text, markedWords(query))
    .filter((piece) => piece.marked)
    .map((piece) => piece.text);
}

describe("marking", () => {
  test("a word is marked in all its forms, whatever the case", () => {
    expect(marks("Gather gathers what it gathered; gathering.", "gather")).toEqual([
      "Gather",
      "gathers",
      "gathered",
      "gathering",
    ]);
  });

  test("the words that questions are made of mark nothing", () => {
    expect(marks("How do I run it and why", "How do I run it?")).toEqual(["run"]);
  });

  test("parts of a dotted name are words", () => {
    expect(marks("call asyncio.gather now", "asyncio.gather")).toEqual(["asyncio", "gather"]);
  });

  test("a short word does not mark a longer one that only begins like it", () => {
    expect(marks("a category of cats", "cat")).toEqual(["cats"]);
  });

  test("words of other alphabets are marked", () => {
    expect(marks("Заголовок и текст", "текст")).toEqual(["текст"]);
  });

  test("nothing of the text is lost", () => {
    const text = "Tasks: run  them,\nall of them.";
    expect(
      pieces(text, markedWords("run tasks"))
        .map((piece) => piece.text)
        .join(""),
    ).toBe(text);
  });
});
