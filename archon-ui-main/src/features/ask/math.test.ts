import { expect, test } from "vitest";
import { forMath, hasMath, withDollars } from "./math";

test("prices are no mathematics", () => {
  expect(hasMath("It costs $5 today and $10 tomorrow.")).toBe(false);
  expect(withDollars(forMath("from $5 to $10"))).toBe("from $5 to $10");
});

test("dollars and the brackets of LaTeX are", () => {
  expect(forMath("so $x^2$ and \\(y\\)")).toBe("so $x^2$ and $$y$$");
  expect(forMath("\\[\nz\n\\]")).toBe("$$\nz\n$$");
});

test("code is left alone", () => {
  const code = "`$HOME` and\n```sh\necho $PATH \\(x\\)\n```\n";
  expect(forMath(code)).toBe(code);
});

test.each(["$", "a $ b", "\\(a", "$$", "$a$1", "`$", "```\n$x$"])(
  "every character of %j keeps its place",
  (text) => {
    expect(forMath(text)).toHaveLength(text.length);
  },
);
