"""What a search answers, and how REST shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from src.errors import ArchonError, JsonValue
from src.store.search import DEFAULT_WEIGHTS, ChunkHit, Reason, Scope, SearchSpace, Weights

from .pages import PageHit

Mode = Literal["chunks", "pages"]
SearchMode = Literal["hybrid", "keyword"]
_EVERYWHERE = Scope()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was found. `mode` is what `hits` or `pages` hold: chunks where no chunk knows its page.

    `search_mode` is `keyword` when the store has no vectors of the embedding model in use. `reason` is set
    when nothing was found. `space` is where the question was embedded. `rerank_scores` are the reranker's by chunk,
    empty where the order is not its own; `reranking_problem` says why a chosen one was not asked or did not answer.
    """

    query: str
    mode: Mode
    search_mode: SearchMode
    limit: int
    scope: Scope = _EVERYWHERE
    hits: tuple[ChunkHit, ...] = ()
    pages: tuple[PageHit, ...] = ()
    reason: Reason | None = None
    space: SearchSpace | None = None
    rerank_scores: Mapping[int, float] = field(default_factory=dict)
    reranking_problem: ArchonError | None = None
    weights: Weights = DEFAULT_WEIGHTS

    def to_dict(self) -> dict[str, JsonValue]:
        """The body of `POST /api/rag/query`."""
        as_pages = self.mode == "pages"
        shown = [self._page(page) for page in self.pages] if as_pages else [self._chunk(hit) for hit in self.hits]
        sources = self.scope.source_ids
        return {
            "success": True,
            "results": [*shown],
            "query": self.query,
            "source": sources[0] if len(sources) == 1 else None,
            "match_count": self.limit,
            "total_found": len(shown),
            "execution_path": "rag_service_pipeline",
            "search_mode": self.search_mode,
            "reranking_applied": bool(self.rerank_scores),
            "reranking_problem": self.reranking_problem.to_dict() if self.reranking_problem else None,
            "return_mode": self.mode,
            "reason": self.reason,
            "filters": {
                "source_ids": [*sources],
                "tags": [*self.scope.tags],
                "knowledge_types": [*self.scope.knowledge_types],
                "languages": [*self.scope.languages],
            },
            "scoring": {
                "rank_constant": self.weights.rank_constant,
                "keyword_weight": self.weights.keyword,
                "heading_weight": self.weights.heading,
            },
        }

    def _chunk(self, hit: ChunkHit) -> dict[str, JsonValue]:
        return {**chunk_dict(hit), **self._reranked(hit)}

    def _page(self, hit: PageHit) -> dict[str, JsonValue]:
        return {**page_dict(hit), **self._reranked(hit.best)}

    def _reranked(self, hit: ChunkHit) -> dict[str, JsonValue]:
        score = self.rerank_scores.get(hit.id)
        return {} if score is None else {"rerank_score": score}


def match_type(hit: ChunkHit) -> Literal["hybrid", "vector", "keyword"]:
    """Which of the two searches found the chunk."""
    if hit.keyword_rank is None:
        return "vector"
    return "keyword" if hit.vector_rank is None else "hybrid"


def chunk_dict(hit: ChunkHit) -> dict[str, JsonValue]:
    """A chunk result of REST."""
    return {
        "id": hit.id,
        "content": hit.content,
        "metadata": dict(hit.metadata),
        "similarity_score": hit.similarity,
        "url": hit.url,
        "title": hit.title,
        "heading_path": list(hit.heading_path),
        "page_id": hit.page_id,
        "page_number": hit.page_number,
        "source_id": hit.source_id,
        "match_type": match_type(hit),
        "fused_score": hit.fused_score,
        "vector_rank": hit.vector_rank,
        "keyword_rank": hit.keyword_rank,
        "keyword_score": hit.keyword_score,
        "language": hit.language,
    }


def page_dict(hit: PageHit) -> dict[str, JsonValue]:
    """A page result of REST."""
    return {
        "page_id": hit.page.page_id,
        "url": hit.page.url,
        "title": hit.page.title,
        "section_title": hit.page.section_title,
        "word_count": hit.page.word_count,
        "chunk_matches": hit.chunk_matches,
        "aggregate_similarity": hit.aggregate_similarity,
        "average_similarity": hit.average_similarity,
        "source_id": hit.page.source_id,
        "best_chunk": chunk_dict(hit.best),
    }
