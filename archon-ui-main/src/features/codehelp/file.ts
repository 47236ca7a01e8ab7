/** A text file as it is edited here. `raw` is what was read, while nobody changed it: its line ends are its own. */
export interface CodeFile {
  path: string;
  /** With plain line feeds, as a text box holds it. */
  text: string;
  raw: string | null;
  crlf: boolean;
}

export const BLANK: CodeFile = { path: "", text: "", raw: null, crlf: false };

/**
 * The text of a file as it is, a byte order mark included: a diff of any other would not apply.
 * Throws where it is no UTF-8.
 */
export async function textOf(file: File): Promise<string> {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await file.arrayBuffer());
}

/** The file of a text that was read as it is. */
export function fileOf(path: string, raw: string): CodeFile {
  const crlf = (raw.match(/\r\n/g)?.length ?? 0) * 2 > (raw.match(/\n/g)?.length ?? 0);
  return { path, text: raw.replace(/\r\n?/g, "\n"), raw, crlf };
}

/** The file with another text: new lines get the ends that most lines had. */
export function edited(file: CodeFile, text: string): CodeFile {
  return { ...file, text, raw: null };
}

/** The text as the file holds it. */
export function asStored(file: CodeFile): string {
  return file.raw ?? (file.crlf ? file.text.replaceAll("\n", "\r\n") : file.text);
}

/** How many lines there are; a line feed at the end begins no further one. */
export function lineCount(text: string): number {
  if (text === "") return 0;
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}

/** The lines that a selection from one character to another touches, counted from 1. */
export function linesBetween(text: string, from: number, to: number): { start: number; end: number } {
  const start = text.slice(0, from).split("\n").length;
  // A selection that ends behind a line feed does not touch the next line.
  const last = to > from && text[to - 1] === "\n" ? to - 1 : to;
  return { start, end: Math.max(start, text.slice(0, last).split("\n").length) };
}

/** A number that was typed, within its limits; what is no number means `otherwise`. */
export function lineNumber(typed: string, otherwise: number, most: number): number {
  const number = Number.parseInt(typed, 10);
  return Number.isNaN(number) ? otherwise : Math.min(Math.max(number, 1), Math.max(most, 1));
}
