"""A second opinion on the order of what was found, where a reranker is chosen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import structlog

from src.errors import ArchonError, ConfigurationError, ProviderError, UnsupportedFeature
from src.inference.rerank import Ranked
from src.store.search import ChunkHit

CANDIDATES_PER_HIT = 5
MOST_CANDIDATES = 100
"""A cross-encoder reads each candidate with the question: more of them is time, and the last ones never win."""

_log = structlog.get_logger("archon.search.reranking")


class Ranker(Protocol):
    """Orders documents by how well they answer a question."""

    async def rank(self, query: str, documents: Sequence[str]) -> list[Ranked]:
        """Every document once, best first. Raises ConfigurationError or ProviderError."""
        ...

    async def is_cross_encoder(self) -> bool:
        """Whether its scores are more than the cosine that search uses anyway. Raises ProviderError."""
        ...


RankerFactory: TypeAlias = Callable[[], Awaitable[Ranker | None]]
"""Gives the reranker of the settings in force; None where none is chosen. Raises ConfigurationError."""


@dataclass(frozen=True, slots=True)
class Reranked:
    """Hits in their new order with the scores by chunk, or as they came, with the reason in `problem`."""

    hits: tuple[ChunkHit, ...]
    scores: Mapping[int, float] = field(default_factory=dict)
    problem: ArchonError | None = None

    @property
    def applied(self) -> bool:
        """Whether the order is the reranker's."""
        return bool(self.scores)


def candidates(limit: int) -> int:
    """How many hits to read so that the best `limit` are among them."""
    return max(limit, min(limit * CANDIDATES_PER_HIT, MOST_CANDIDATES))


async def chosen(factory: RankerFactory | None) -> tuple[Ranker | None, ArchonError | None]:
    """The reranker in use, or why the chosen one cannot be; neither where none is chosen."""
    try:
        return (await factory() if factory else None), None
    except ConfigurationError as error:
        return None, error


async def rerank(ranker: Ranker, query: str, hits: Sequence[ChunkHit]) -> Reranked:
    """`hits` in the ranker's order. One that fails costs its opinion, not the search: `problem` says what happened."""
    try:
        if not await ranker.is_cross_encoder():
            raise UnsupportedFeature(
                "The chosen reranker is an embedding model; its order is the cosine that search uses anyway",
                next_step="Choose a server with a cross-encoder for reranking in Settings, or none.",
            )
        ranked = await ranker.rank(query, [hit.content for hit in hits])
    except (ConfigurationError, ProviderError) as error:
        _log.warning("not_reranked", code=error.code, reason=error.message)
        return Reranked(tuple(hits), problem=error)
    ordered = tuple(hits[one.index] for one in ranked)
    return Reranked(ordered, {hits[one.index].id: one.score for one in ranked})
