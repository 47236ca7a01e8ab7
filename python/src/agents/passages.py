"""The passages a question is answered from: what is pinned to its conversation, then what search finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from src.search.query import SearchService
from src.store.conversations import Attached, ConversationRepository
from src.store.search import ChunkHit, Reason, SearchSpace

from .chat_settings import ChatSettings
from .events import LeftOut

MOST_PINNED_PASSAGES = 60


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages, best first. `reason`: why there is none; `space`: where similarity can be measured.

    `gone` attachments are not stored any more; of the others `unread` passages were too many to be looked at.
    """

    hits: tuple[ChunkHit, ...] = ()
    space: SearchSpace | None = None
    reason: Reason | None = None
    gone: int = 0
    unread: int = 0

    def also(self, left_out: LeftOut) -> LeftOut:
        """`left_out` with what was left out before there was a prompt."""
        return replace(left_out, passages=left_out.passages + self.unread, attachments=self.gone)


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
    attached: Sequence[Attached] = ()
    if settings.pages or settings.pinned_sources:
        attached = await store.attached(settings.pages, settings.pinned_sources)
    if settings.pages:
        hits += await store.pinned(settings.pages, query, MOST_PINNED_PASSAGES)
    unread = sum(one.passages for one in attached) - len(hits)
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
    gone = len({*settings.pages}) + len({*settings.pinned_sources}) - len(attached)
    return Retrieved(tuple(each_once.values()), space, None if hits else reason, gone, max(unread, 0))
