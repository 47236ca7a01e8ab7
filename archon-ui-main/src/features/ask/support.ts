import type { Element, ElementContent, Root, Text } from "hast";
import type { Citation, SupportKind } from "./api/schemas";

/** A sentence's support at offsets that JavaScript's strings understand. */
export interface Placed {
  start: number;
  end: number;
  kind: SupportKind;
  numbers: readonly number[];
}

const MARKER = /\[(\d{1,3})\]/g;

/** The server counts characters as Unicode code points; strings here count UTF-16 units. */
export function place(text: string, citations: readonly Citation[]): Placed[] {
  const units: number[] = [];
  let unit = 0;
  for (const char of text) {
    units.push(unit);
    unit += char.length;
  }
  units.push(unit);
  return citations.flatMap(({ sentence, start, end, kind, numbers }) => {
    const from = units[start] ?? -1;
    const to = units[end] ?? -1;
    const right = from >= 0 && to > from && text.slice(from, to) === sentence;
    const found = right ? from : text.indexOf(sentence);
    if (found < 0 || sentence === "") return [];
    return [{ start: found, end: right ? to : found + sentence.length, kind, numbers }];
  });
}

function chip(kind: SupportKind, number: number | null): Element {
  return {
    type: "element",
    tagName: "sup",
    properties: { dataKind: kind, dataNumber: number ?? 0 },
    children: [],
  };
}

/** The marks after a sentence: what the model itself did not write there. */
function marks(text: string, placed: Placed): Element[] {
  if (placed.kind === "none") return [chip("none", null)];
  const written = text.slice(placed.start, placed.end).match(MARKER);
  if (placed.kind === "cited" && written) return [];
  return placed.numbers.map((number) => chip(placed.kind, number));
}

/** "[1]" in a piece of text becomes a chip, where a passage 1 exists. */
function withChips(value: string, numbers: ReadonlySet<number>): ElementContent[] {
  const nodes: ElementContent[] = [];
  let from = 0;
  for (const match of value.matchAll(MARKER)) {
    const number = Number(match[1]);
    if (!numbers.has(number)) continue;
    if (match.index > from) nodes.push({ type: "text", value: value.slice(from, match.index) });
    nodes.push(chip("cited", number));
    from = match.index + match[0].length;
  }
  if (from < value.length) nodes.push({ type: "text", value: value.slice(from) });
  return nodes;
}

interface Walk {
  text: string;
  placed: readonly Placed[];
  numbers: ReadonlySet<number>;
  /** For each sentence the list its last part stands in, and where. */
  ends: Map<Placed, { list: ElementContent[]; after: ElementContent }>;
}

function splitText(node: Text, walk: Walk): ElementContent[] {
  const from = node.position?.start.offset;
  const to = node.position?.end.offset;
  const exact = from !== undefined && to !== undefined && walk.text.slice(from, to) === node.value;
  if (from === undefined || to === undefined) return withChips(node.value, walk.numbers);
  const nodes: ElementContent[] = [];
  let at = from;
  for (const sentence of walk.placed) {
    if (sentence.end <= at || sentence.start >= to) continue;
    const start = exact ? Math.max(at, sentence.start) : at;
    const end = exact ? Math.min(to, sentence.end) : to;
    if (start > at) nodes.push(...withChips(node.value.slice(at - from, start - from), walk.numbers));
    const value = exact ? node.value.slice(start - from, end - from) : node.value;
    nodes.push(sentenceNode(sentence, withChips(value, walk.numbers)));
    at = end;
    if (!exact) break;
  }
  if (at < to && (exact || at === from)) {
    nodes.push(...withChips(exact ? node.value.slice(at - from) : node.value, walk.numbers));
  }
  return nodes;
}

const PLACED = new WeakMap<Element, Placed>();

function sentenceNode(sentence: Placed, children: ElementContent[]): Element {
  const node: Element = {
    type: "element",
    tagName: "span",
    properties: { className: [`support-${sentence.kind}`] },
    children,
  };
  PLACED.set(node, sentence);
  return node;
}

/** Code is left as it is; a sentence that ends in it has its mark behind it. */
function sentenceOfCode(node: Element, walk: Walk): Placed | undefined {
  const from = node.position?.start.offset ?? 0;
  const to = node.position?.end.offset ?? 0;
  return walk.placed.findLast((sentence) => sentence.start < to && sentence.end > from);
}

function isCode(node: Element): boolean {
  return node.tagName === "pre" || node.tagName === "code";
}

function visit(parent: Root | Element, walk: Walk): void {
  const children: ElementContent[] = [];
  for (const child of parent.children) {
    if (child.type === "doctype") continue;
    if (child.type === "element" && !isCode(child)) visit(child, walk);
    const nodes = child.type === "text" ? splitText(child, walk) : [child];
    children.push(...nodes);
    for (const node of nodes) {
      if (node.type !== "element") continue;
      const sentence = isCode(node) ? sentenceOfCode(node, walk) : PLACED.get(node);
      if (sentence) walk.ends.set(sentence, { list: children, after: node });
    }
  }
  parent.children = children;
}

/** A rehype plugin: sentences carry their support, and markers become chips (`sup` with data-kind and data-number). */
export function markSupport(text: string, placed: readonly Placed[], numbers: ReadonlySet<number>) {
  return () => (tree: Root) => {
    const walk: Walk = { text, placed, numbers, ends: new Map() };
    visit(tree, walk);
    for (const [sentence, { list, after }] of walk.ends) {
      list.splice(list.indexOf(after) + 1, 0, ...marks(text, sentence));
    }
  };
}
