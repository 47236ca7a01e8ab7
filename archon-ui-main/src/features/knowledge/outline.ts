import type { Root } from "hast";

export interface Heading {
  /** The line of the Markdown it stands in, from 1: its name in the page. */
  line: number;
  level: number;
  text: string;
}

const DEEPEST = 3;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})\s+(.+?)\s*#*\s*$/;

/** The headings of a Markdown text; what stands in code is none. */
export function outlineOf(markdown: string): Heading[] {
  const found: Heading[] = [];
  let fence = "";
  for (const [at, line] of markdown.split("\n").entries()) {
    const mark = FENCE.exec(line)?.[1];
    if (fence) {
      if (mark?.startsWith(fence)) fence = "";
      continue;
    }
    const heading = HEADING.exec(line);
    if (mark) fence = mark;
    else if (heading?.[1] && heading[2] && heading[1].length <= DEEPEST)
      found.push({ line: at + 1, level: heading[1].length, text: plain(heading[2]) });
  }
  return found;
}

/** Without the signs of Markdown: links, emphasis, code. */
function plain(text: string): string {
  return text.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[*`]|\\(?=[_*[\]`])/g, "");
}

export function headingId(line: number): string {
  return `heading-${line}`;
}

/** A rehype plugin: every heading can be gone to by its line. */
export function nameHeadings() {
  return (tree: Root) => {
    for (const node of tree.children) {
      if (node.type !== "element" || !/^h[1-6]$/.test(node.tagName) || !node.position) continue;
      node.properties = { ...node.properties, id: headingId(node.position.start.line), tabIndex: -1 };
    }
  };
}
