const numbers = new Intl.NumberFormat(undefined);
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const list = new Intl.ListFormat("en", { type: "conjunction" });

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

export function count(value: number): string {
  return numbers.format(value);
}

/** "1 page", "3 pages". */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** "address, key, and model". */
export function inWords(names: readonly string[]): string {
  return list.format(names);
}

/** "3 hours ago"; empty for what is no date. */
export function ago(iso: string | null | undefined, now = Date.now()): string {
  const at = iso ? Date.parse(iso) : Number.NaN;
  if (Number.isNaN(at)) return "";
  const seconds = (at - now) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

export function dateTime(iso: string): string {
  const at = Date.parse(iso);
  return Number.isNaN(at) ? iso : moment.format(at);
}

/** 420 → "420 ms", 1530 → "1.5 s". */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** An address without what everybody knows: "docs.python.org/3/library"; of a file, its name. */
export function shortUrl(url: string): string {
  const file = /^file:\/\/[^/]*\/(.+)$/i.exec(url)?.[1];
  if (file) return decoded(file);
  return url.replace(/^[a-z]+:\/\/(www\.)?/i, "").replace(/\/$/, "");
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // a name with a bare % in it
  }
}

/** The address, if a browser may be sent there; files and other schemes give null. */
export function webUrl(url: string | null | undefined): string | null {
  return url && /^https?:\/\//i.test(url) ? url : null;
}
