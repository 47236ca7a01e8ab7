import { describe, expect, test } from "vitest";
import { shortUrl } from "./format";

describe("an address in short", () => {
  test.each([
    ["https://www.docs.example.org/3/library/", "docs.example.org/3/library"],
    ["file://file_guide_md_ba5b74c2/guide.md", "guide.md"],
    ["file://file_a_1/My%20notes.pdf", "My notes.pdf"],
    ["file://file_a_1/100%.pdf", "100%.pdf"],
  ])("%s", (url, short) => expect(shortUrl(url)).toBe(short));
});
