"""Chunks grouped to their pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from src.store.search import ChunkHit, PageRow

_PER_MATCH = 0.02
_MOST = 0.2
"""Each matching chunk lifts its page by 2 %, at most by 20 %: v1's rule, kept with its field names."""


@dataclass(frozen=True, slots=True)
class PageHit:
    """A found page without its text; similarities are cosines, the aggregate one lifted by the matches."""

    page: PageRow
    chunk_matches: int
    average_similarity: float
    aggregate_similarity: float


def group(
    hits: Sequence[ChunkHit], pages: Mapping[str, PageRow], limit: int, *, keep_order: bool = False
) -> list[PageHit]:
    """The `limit` best pages of `hits`, best first. A chunk without a known page is left out.

    `keep_order`: in the order of their best chunks, which a reranker has decided, not by similarity.
    """
    matches: dict[str, list[float]] = {}
    for hit in hits:
        if hit.page_id is not None and hit.page_id in pages:
            matches.setdefault(hit.page_id, []).append(hit.similarity or 0.0)
    found = [_page_hit(pages[page_id], similarities) for page_id, similarities in matches.items()]
    if keep_order:
        return found[:limit]
    # sorted is stable: pages that are equally alike stay in the order of their best chunk.
    return sorted(found, key=lambda page: -page.aggregate_similarity)[:limit]


def _page_hit(page: PageRow, similarities: Sequence[float]) -> PageHit:
    average = sum(similarities) / len(similarities)
    aggregate = average * (1 + min(_MOST, _PER_MATCH * len(similarities)))
    return PageHit(page, len(similarities), average, aggregate)
