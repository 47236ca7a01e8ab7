import type { CrawlRequest } from "./api/sources";
import { tagsOf } from "./tags";

export const DEFAULT_PAGES = 200;

/** What a crawl form asks for; null while its address is none. Only what differs from the usual is sent. */
export function crawlRequestOf(form: HTMLFormElement): CrawlRequest | null {
  const values = new FormData(form);
  const url = addressOf(String(values.get("url")));
  if (!url) return null;
  const include = linesOf(values.get("include"));
  const exclude = linesOf(values.get("exclude"));
  return {
    url,
    max_depth: Number(values.get("depth")),
    max_pages: Number(values.get("pages")) || DEFAULT_PAGES,
    tags: tagsOf(String(values.get("tags"))),
    ...(include.length > 0 && { include }),
    ...(exclude.length > 0 && { exclude }),
    ...(values.get("code") === null && { extract_code_examples: false }),
  };
}

/** What was typed as an address that can be fetched; null when it cannot be one. */
export function addressOf(typed: string): string | null {
  const text = typed.trim();
  const url = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
  return text !== "" && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) ? url : null;
}

function linesOf(value: FormDataEntryValue | null): string[] {
  return String(value ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
