"""The passages a question is answered from: what is pinned to its conversation, then what search finds."""

from __future__ import annotations

from dataclasses import dataclass

from src.search.query import SearchService
from src.store.conversations import ConversationRepository
from src.store.search import ChunkHit, Reason, SearchSpace

from .chat_settings import ChatSettings

MOST_PINNED_PASSAGES = 60


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages, best first. `reason`: why there is none; `space`: where similarity can be measured."""

    hits: tuple[ChunkHit, ...] = ()
    space: SearchSpace | None = None
    reason: Reason | None = None


async def find(query: str, settings: ChatSettings, search: SearchService, store: ConversationRepository) -> Retrieved:
    """Passages for `query`; pinned ones come first, so that they are the last to give way.

    Raises:
        InvalidInput: the query is far too long.
        ConfigurationError, ProviderError: the question could not be embedded.
        StoreError: the database failed.
    """
    hits: list[ChunkHit] = []
    space: SearchSpace | None = None
    reason: Reason | None = None
    if settings.pages:
        hits += await store.pinned(settings.pages, query, MOST_PINNED_PASSAGES)
    if settings.pinned_sources:
        found = await search.search(query, source_ids=settings.pinned_sources, limit=settings.match_count)
        hits, space = [*hits, *found.hits], found.space
    if settings.knowledge:
        found = await search.search(
            query, source_ids=settings.source_ids, tags=settings.tags, limit=settings.match_count
        )
        hits, space, reason = [*hits, *found.hits], found.space, found.reason
    # The later one of two knows its similarity to the question; the place is that of the first.
    each_once = {hit.id: hit for hit in hits}
    return Retrieved(tuple(each_once.values()), space, None if hits else reason)
