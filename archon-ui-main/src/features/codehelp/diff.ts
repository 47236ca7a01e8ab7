export interface DiffLine {
  /** Its place in the diff, from 0. */
  number: number;
  kind: "head" | "place" | "added" | "removed" | "same" | "note";
  text: string;
}

/** A unified diff line by line, with what each line is. */
export function diffLines(diff: string): DiffLine[] {
  let inHunk = false;
  return diff
    .replace(/\n$/, "")
    .split("\n")
    .map((text, number) => {
      if (text.startsWith("@@")) inHunk = true;
      return { number, kind: inHunk ? kindOf(text) : "head", text: text.replace(/\r$/, "") };
    });
}

function kindOf(line: string): DiffLine["kind"] {
  if (line.startsWith("@@")) return "place";
  if (line.startsWith("+")) return "added";
  if (line.startsWith("-")) return "removed";
  return line.startsWith("\\") ? "note" : "same";
}

/** A name for the file of a diff: what follows the last slash, and `.patch`. */
export function patchName(path: string): string {
  return `${path.split("/").at(-1) || "change"}.patch`;
}
