import type { Element, ElementContent, Root, Text } from "hast";

const WORD = /[\p{L}\p{N}_]+/gu;
const SHORTEST = 2;
/** Words that questions are made of and that mark nothing. */
const COMMON = new Set(
  (
    "a an and are as at be been but by can could did do does for from had has have how i if in into is it its me " +
    "my not of on or our should so than that the their them then there these they this to was we what when where " +
    "which while who why will with would you your"
  ).split(" "),
);

/** The words of a question that are worth marking, each once, in lower case and without their usual endings. */
export function markedWords(query: string): string[] {
  const words = (query.toLowerCase().match(WORD) ?? []).filter(
    (word) => word.length >= SHORTEST && !COMMON.has(word),
  );
  return [...new Set(words.map(stem))];
}

/** A word without the endings that searching by words ignores too: "running" and "runs" are both "run". */
function stem(word: string): string {
  if (word.length < 5) return word.replace(/(?<=\w{2})s$/, "");
  return word.replace(/(?<=\w{3})(?:ing|ed|es|ly|s)$/, "").replace(/([b-df-hj-np-tv-z])\1$/, "$1");
}

export interface Piece {
  text: string;
  marked: boolean;
  at: number;
}

/** `text` in pieces, those marked whose word begins like one of `words`. */
export function pieces(text: string, words: readonly string[]): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const match of words.length > 0 ? text.matchAll(WORD) : []) {
    if (!fits(match[0].toLowerCase(), words)) continue;
    if (match.index > from) found.push({ text: text.slice(from, match.index), marked: false, at: from });
    found.push({ text: match[0], marked: true, at: match.index });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ text: text.slice(from), marked: false, at: from });
  return found;
}

/** "gathering" fits "gather"; "category" does not fit "cat". */
function fits(word: string, words: readonly string[]): boolean {
  return words.some((one) => word === one || stem(word) === one || (one.length >= 4 && word.startsWith(one)));
}

/** A rehype plugin: the words become marks wherever text stands. */
export function markWords(words: readonly string[]) {
  return () => (tree: Root) => {
    if (words.length > 0) tree.children = marked(tree.children as ElementContent[], words);
  };
}

function marked(nodes: ElementContent[], words: readonly string[]): ElementContent[] {
  return nodes.flatMap((node) => {
    if (node.type === "element") return [{ ...node, children: marked(node.children, words) }];
    return node.type === "text" ? markedText(node, words) : [node];
  });
}

function markedText(node: Text, words: readonly string[]): ElementContent[] {
  return pieces(node.value, words).map((piece): Element | Text => {
    const text: Text = { type: "text", value: piece.text };
    return piece.marked ? { type: "element", tagName: "mark", properties: {}, children: [text] } : text;
  });
}
