import type { Element, ElementContent, Root, RootContent } from "hast";

export interface Range {
  start: number;
  end: number;
}

interface Squeezed {
  text: string;
  /** Where each character of `text` stood. */
  at: number[];
}

function squeeze(text: string): Squeezed {
  const at: number[] = [];
  let squeezed = "";
  for (let n = 0; n < text.length; n += 1) {
    const char = text[n] ?? "";
    const blank = /\s/.test(char);
    if (blank && (squeezed === "" || squeezed.endsWith(" "))) continue;
    squeezed += blank ? " " : char;
    at.push(n);
  }
  return { text: squeezed, at };
}

/** Where `passage` stands in `text`, whatever its white space; null when it does not.
 *
 * A passage may begin with lines of its own (the path of its headings); they are left off one by one.
 */
export function locate(text: string, passage: string): Range | null {
  const hay = squeeze(text);
  const lines = passage.split("\n");
  for (let skip = 0; skip < Math.min(4, lines.length); skip += 1) {
    const needle = squeeze(lines.slice(skip).join("\n")).text.trim();
    const found = needle === "" ? -1 : hay.text.indexOf(needle);
    const start = hay.at[found];
    const end = hay.at[found + needle.length - 1];
    if (start !== undefined && end !== undefined) return { start, end: end + 1 };
  }
  return null;
}

function overlaps(node: RootContent, range: Range): boolean {
  const from = node.position?.start.offset;
  const to = node.position?.end.offset;
  return from !== undefined && to !== undefined && from < range.end && to > range.start;
}

/** A rehype plugin: the blocks that hold `range` of the source are wrapped in one marked section. */
export function markPassage(range: Range | null) {
  return () => (tree: Root) => {
    if (!range) return;
    const first = tree.children.findIndex((node) => overlaps(node, range));
    const last = tree.children.findLastIndex((node) => overlaps(node, range));
    if (first < 0) return;
    const inside = tree.children
      .slice(first, last + 1)
      .filter((node): node is ElementContent => node.type !== "doctype");
    const section: Element = {
      type: "element",
      tagName: "section",
      properties: { className: ["passage"], ariaLabel: "Passage" },
      children: inside,
    };
    tree.children.splice(first, last - first + 1, section);
  };
}
