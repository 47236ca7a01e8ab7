import { common, createLowlight } from "lowlight";

export interface Piece {
  text: string;
  className: string;
}

const lowlight = createLowlight(common);
/** Longer code is shown plain: colouring it would hold the page up. */
const LONGEST = 30_000;

/** The code in coloured pieces; one plain piece where its language is unknown. */
export function pieces(code: string, language: string): Piece[] {
  if (!lowlight.registered(language) || code.length > LONGEST) return [{ text: code, className: "" }];
  const found: Piece[] = [];
  collect(lowlight.highlight(language, code), "", found);
  return found;
}

interface Node {
  type: string;
  value?: string;
  children?: Node[];
  properties?: { className?: unknown };
}

function collect(node: Node, className: string, found: Piece[]): void {
  if (node.type === "text" && node.value) found.push({ text: node.value, className });
  const own = node.properties?.className;
  const classes = Array.isArray(own) ? own.join(" ") : className;
  for (const child of node.children ?? []) collect(child, classes, found);
}
