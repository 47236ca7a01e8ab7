/** A dollar that is no mathematics, while Markdown is read: it takes as much room, so that places stay true. */
const DOLLAR = "\uE000";

const CODE = /(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:\n[ \t]*\1[^\n]*|$)|(`+)[^`\n]+?\2/g;
const BRACKETS = /\\([()[\]])/g;
const INLINE = /\$(?=\S)([^$\n]*?\S)\$(?!\d)/y;

/** `text` as remark-math reads it: `\(x\)` and `\[x\]` are mathematics too, "from $5 to $10" is not.
 *
 * Every character keeps its place. `withDollars` takes back what stands for a dollar.
 */
export function forMath(text: string): string {
  if (!text.includes("$") && !text.includes("\\")) return text;
  let result = "";
  let from = 0;
  for (const code of text.matchAll(CODE)) {
    result += prose(text.slice(from, code.index)) + code[0];
    from = code.index + code[0].length;
  }
  return result + prose(text.slice(from));
}

export function withDollars(text: string): string {
  return text.replaceAll(DOLLAR, "$");
}

/** Whether anything in it is mathematics, so that its renderer is worth loading. */
export function hasMath(text: string): boolean {
  return /\$|\\[([]/.test(text) && forMath(text).includes("$");
}

function prose(text: string): string {
  const dollars = text.replace(BRACKETS, "$$$$");
  let result = "";
  for (let at = 0; at < dollars.length; ) {
    if (dollars.startsWith("$$", at)) {
      result += "$$";
      at += 2;
    } else if (dollars[at] === "$") {
      INLINE.lastIndex = at;
      const math = INLINE.exec(dollars)?.[0] ?? DOLLAR;
      result += math;
      at += math.length;
    } else {
      const next = dollars.indexOf("$", at);
      const end = next < 0 ? dollars.length : next;
      result += dollars.slice(at, end);
      at = end;
    }
  }
  return result;
}
