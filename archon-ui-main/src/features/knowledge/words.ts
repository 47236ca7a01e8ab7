import { plural } from "@/shared/lib/format";
import type { Tone } from "@/shared/ui/Notice";
import type { Job } from "./api/jobs";
import type { Outcome } from "./api/schemas";

const WORDS: Record<string, string> = {
  starting: "Starting",
  initializing: "Starting",
  queued: "Waiting for its turn",
  running: "Running",
  paused: "Paused",
  analyzing: "Looking at the address",
  crawling: "Reading pages",
  reading: "Reading the file",
  text_extraction: "Taking out the text",
  chunking: "Cutting into passages",
  processing: "Cutting into passages",
  source_creation: "Noting the source",
  summarizing: "Summarizing",
  storing: "Embedding and storing",
  document_storage: "Embedding and storing",
  code_extraction: "Looking for code",
  code_storage: "Storing code",
  finalization: "Finishing",
  stopping: "Stopping",
  completed: "Completed",
  failed: "Failed",
  error: "Failed",
  cancelled: "Cancelled",
};

/** A status word of the server as people say it. */
export function statusWord(status: string): string {
  return WORDS[status] ?? status.replaceAll("_", " ");
}

/** How an ended piece of work went, honestly: pages that failed show in the word and in the colour. */
export function verdict(status: string, failedPages: number): { tone: Tone | "plain"; word: string } {
  if (status === "failed" || status === "error") return { tone: "bad", word: "Failed" };
  if (status === "cancelled") return { tone: "plain", word: "Cancelled" };
  if (status !== "completed") return { tone: "info", word: statusWord(status) };
  return failedPages > 0
    ? { tone: "warn", word: `Completed, ${plural(failedPages, "page")} failed` }
    : { tone: "good", word: "Completed" };
}

/** "38 embeddings reused": texts that are as they were stored, so that they were not embedded again. */
export function reusedWords(embeddings = 0): string | null {
  return embeddings > 0 ? `${plural(embeddings, "embedding")} reused` : null;
}

/** "3 pages stored as 41 passages, 12 unchanged, 1 failed, 2 removed, 38 embeddings reused." */
export function outcomeSentence(outcome: Omit<Outcome, "failures" | "notices">, reused?: number): string {
  const { pages_stored, pages_unchanged, pages_failed, pages_removed } = outcome;
  const { chunks_stored, chunks_without_context } = outcome;
  const stored =
    pages_stored > 0
      ? `${plural(pages_stored, "page")} stored as ${plural(chunks_stored, "passage")}`
      : "Nothing was stored";
  const others = [
    pages_unchanged > 0 ? `${pages_unchanged} unchanged` : null,
    pages_failed > 0 ? `${pages_failed} failed` : null,
    pages_removed > 0 ? `${pages_removed} removed` : null,
    chunks_without_context > 0 ? `${plural(chunks_without_context, "passage")} without a context` : null,
    reusedWords(reused),
  ];
  return `${[stored, ...others.filter(Boolean)].join(", ")}.`;
}

const KINDS: Record<string, string> = {
  crawl: "Crawl",
  refresh: "Refresh",
  upload: "File",
  reembed: "New embedding model",
};

/** What kind of work a job is, as people say it. */
export function jobKind(kind: string): string {
  return KINDS[kind] ?? kind;
}

/** The same of a job, with what it left out; of a new embedding model, its passages. */
export function jobOutcome({ kind, outcome, chunks_embedded, embeddings_reused }: Job): string {
  if (kind === "reembed") {
    const done = outcome.chunks_stored || chunks_embedded;
    const failed = outcome.pages_failed ? `, ${plural(outcome.pages_failed, "passage")} failed` : "";
    return `${plural(done, "passage")} embedded anew${failed}.`;
  }
  const sentence = outcomeSentence(outcome, embeddings_reused).slice(0, -1);
  return outcome.pages_skipped > 0 ? `${sentence}, ${outcome.pages_skipped} left out.` : `${sentence}.`;
}
