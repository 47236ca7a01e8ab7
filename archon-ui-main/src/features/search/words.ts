import type { Passage, Scoring } from "./api/schemas";

/** Why nothing was found, and what helps. The keys are the server's. */
const REASONS: Record<string, { title: string; help: string }> = {
  empty_store: {
    title: "Nothing is stored yet",
    help: "Give Archon a documentation site or a few files; then there is something to search.",
  },
  filter_excludes_all: {
    title: "The filters leave nothing",
    help: "No stored page fits all of the chosen filters. Take one of them away.",
  },
  other_space: {
    title: "Not readable with the embedding model in use",
    help: "What is stored here was embedded with another model, and no page has these very words. Refresh the sources, or choose the former model in Settings.",
  },
  no_match: {
    title: "Nothing matches",
    help: "No page has these words or says something alike. Try other words, or fewer.",
  },
};

/** The same of code, which is taken out of pages while they are read. */
const CODE_REASONS: typeof REASONS = {
  empty_store: {
    title: "No code example is stored yet",
    help: "Code is taken out of pages while they are read. Read a source with code examples switched on.",
  },
  filter_excludes_all: {
    title: "The filters leave no code example",
    help: "No stored code fits all of the chosen filters. Take one of them away.",
  },
  no_match: {
    title: "No code example matches",
    help: "Code is found by what it does and by its words. Try other words.",
  },
};

export function whyNoCode(reason: string | null | undefined) {
  const known = reason ?? "no_match";
  return CODE_REASONS[known] ?? whyEmpty(known);
}

export function whyEmpty(reason: string | null | undefined) {
  return REASONS[reason ?? "no_match"] ?? { title: "Nothing matches", help: "Try other words, or fewer." };
}

export interface Line {
  name: string;
  value: string;
  /** Points that the list gave, of `fused_score`. */
  points: number | null;
}

/** How a passage came to its place, list by list. */
export function scoreLines(hit: Passage, { rank_constant, keyword_weight }: Scoring): Line[] {
  const points = (rank: number, weight: number) => weight / (rank_constant + rank);
  const alike =
    hit.similarity_score == null ? "no vector" : `${Math.round(hit.similarity_score * 100)} % alike`;
  return [
    {
      name: "Meaning",
      value:
        hit.vector_rank == null ? `not among the nearest, ${alike}` : `place ${hit.vector_rank}, ${alike}`,
      points: hit.vector_rank == null ? null : points(hit.vector_rank, 1),
    },
    {
      name: "Words",
      value: hit.keyword_rank == null ? "not among the best by its words" : `place ${hit.keyword_rank}`,
      points: hit.keyword_rank == null ? null : points(hit.keyword_rank, keyword_weight),
    },
    ...(hit.rerank_score == null
      ? []
      : [{ name: "Reranker", value: hit.rerank_score.toFixed(3), points: null }]),
  ];
}

/** "by meaning and words". */
export function foundBy(hit: Passage): string {
  if (hit.vector_rank == null) return "by its words";
  return hit.keyword_rank == null ? "by meaning" : "by meaning and words";
}
