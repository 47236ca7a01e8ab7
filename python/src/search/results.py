"""What a search answers, and how REST shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from src.errors import ArchonError, JsonValue
from src.store.search import ChunkHit, Reason, SearchSpace

from .pages import PageHit

Mode = Literal["chunks", "pages"]
SearchMode = Literal["hybrid", "keyword"]


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
    source_ids: tuple[str, ...] = ()
    hits: tuple[ChunkHit, ...] = ()
    pages: tuple[PageHit, ...] = ()
    reason: Reason | None = None
    space: SearchSpace | None = None
    rerank_scores: Mapping[int, float] = field(default_factory=dict)
    reranking_problem: ArchonError | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """The body of `POST /api/rag/query`."""
        as_pages = self.mode == "pages"
        shown = [page_dict(page) for page in self.pages] if as_pages else [self._chunk(hit) for hit in self.hits]
        return {
            "success": True,
            "results": [*shown],
            "query": self.query,
            "source": self.source_ids[0] if len(self.source_ids) == 1 else None,
            "match_count": self.limit,
            "total_found": len(shown),
            "execution_path": "rag_service_pipeline",
            "search_mode": self.search_mode,
            "reranking_applied": bool(self.rerank_scores),
            "reranking_problem": self.reranking_problem.to_dict() if self.reranking_problem else None,
            "return_mode": self.mode,
            "reason": self.reason,
        }

    def _chunk(self, hit: ChunkHit) -> dict[str, JsonValue]:
        score = self.rerank_scores.get(hit.id)
        return chunk_dict(hit) if score is None else {**chunk_dict(hit), "rerank_score": score}


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
    }
