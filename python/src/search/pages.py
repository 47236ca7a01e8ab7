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
    """A found page without its text; similarities are cosines, the aggregate one lifted by the matches.

    `best` is the chunk that brought the page its place.
    """

    page: PageRow
    best: ChunkHit
    chunk_matches: int
    average_similarity: float
    aggregate_similarity: float


def group(hits: Sequence[ChunkHit], pages: Mapping[str, PageRow], limit: int) -> list[PageHit]:
    """The `limit` best pages of `hits`, in the order of their best chunks. A chunk without a known page is left out."""
    matches: dict[str, list[ChunkHit]] = {}
    for hit in hits:
        if hit.page_id is not None and hit.page_id in pages:
            matches.setdefault(hit.page_id, []).append(hit)
    return [_page_hit(pages[page_id], found) for page_id, found in matches.items()][:limit]


def _page_hit(page: PageRow, found: Sequence[ChunkHit]) -> PageHit:
    average = sum(hit.similarity or 0.0 for hit in found) / len(found)
    aggregate = average * (1 + min(_MOST, _PER_MATCH * len(found)))
    return PageHit(page, found[0], len(found), average, aggregate)
