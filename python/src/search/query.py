"""The search service: one question in, fused chunks or pages out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from src.errors import ErrorContext, InvalidInput
from src.inference.models import Embedder, EmbeddingIdentity, Vector
from src.store.database import Database
from src.store.search import DEFAULT_WEIGHTS, Scope, SearchRepository, SearchSpace, Weights

from . import pages, question, reranking
from .reranking import RankerFactory, Reranked
from .results import Mode, SearchMode, SearchResult

EmbedderFactory: TypeAlias = Callable[[], Awaitable[Embedder]]
"""Gives the embedder of the settings in force; raises ConfigurationError when they name none."""

MAX_LIMIT = 200
_CHUNKS_PER_PAGE = 5
"""Chunks read for each wanted page: several chunks of one page must not leave fewer pages than were asked for."""


class SearchService:
    """Searches the store in the embedding space of the embedder in use."""

    def __init__(
        self, database: Database, embedder_factory: EmbedderFactory, ranker_factory: RankerFactory | None = None
    ) -> None:
        self._store = SearchRepository(database)
        self._embedder_factory = embedder_factory
        self._ranker_factory = ranker_factory

    async def search(
        self,
        query: str,
        *,
        source_ids: Sequence[str] = (),
        tags: Sequence[str] = (),
        knowledge_types: Sequence[str] = (),
        languages: Sequence[str] = (),
        limit: int = 5,
        mode: Mode = "chunks",
        weights: Weights = DEFAULT_WEIGHTS,
    ) -> SearchResult:
        """The `limit` best chunks or pages for `query`; an empty result says in `reason` why it is empty.

        Only what passes all filters is found; a source passes with one of the tags and one of the types.

        Raises:
            InvalidInput: the query is empty or far too long, or `limit` is out of range.
            ConfigurationError, ProviderError: the question could not be embedded.
            StoreError: the database failed.
        """
        text = question.clean(query)
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(
                f"match_count must lie between 1 and {MAX_LIMIT}.", context=ErrorContext(field="match_count")
            )
        scope = Scope(tuple(source_ids), tuple(tags), tuple(knowledge_types), tuple(languages))
        space, vector = await self._embed(text)
        ranker, problem = await reranking.chosen(self._ranker_factory)
        wanted = limit * _CHUNKS_PER_PAGE if mode == "pages" else limit
        found = await self._store.chunks(
            space=None if space is None else space.id,
            vector=vector,
            words=text,
            scope=scope,
            limit=wanted if ranker is None else max(wanted, reranking.candidates(limit)),
            weights=weights,
        )
        about = SearchResult(
            query=text,
            mode=mode,
            search_mode=_search_mode(space),
            limit=limit,
            scope=scope,
            space=space,
            weights=weights,
        )
        if not found:
            reason = await self._store.reason(space=None if space is None else space.id, scope=scope)
            return replace(about, reason=reason)
        order = await reranking.rerank(ranker, text, found) if ranker else Reranked(tuple(found), problem=problem)
        return await self._result(about, order)

    async def _embed(self, text: str) -> tuple[SearchSpace | None, Vector | None]:
        """The space to search and the question's vector in it; neither when the store has no such space."""
        embedder = await self._embedder_factory()
        space = await self._space(await embedder.identity())
        # Without a space there is nothing to compare a vector with: words alone can find something.
        return (None, None) if space is None else (space, await question.embed(text, embedder))

    async def _space(self, identity: EmbeddingIdentity) -> SearchSpace | None:
        return await self._store.space(
            model=identity.model,
            dimensions=identity.dimensions,
            normalised=identity.normalised,
            query_prefix=identity.query_prefix,
            passage_prefix=identity.passage_prefix,
        )

    async def _result(self, about: SearchResult, order: Reranked) -> SearchResult:
        found = order.hits
        page_ids = sorted({hit.page_id for hit in found if hit.page_id is not None})
        # Chunks of a v1 store may know no page; then the chunks themselves are the answer, and `mode` says so.
        as_pages = about.mode == "pages" and bool(page_ids)
        rows = await self._store.pages(page_ids) if as_pages else {}
        return replace(
            about,
            mode="pages" if as_pages else "chunks",
            hits=() if as_pages else found[: about.limit],
            pages=tuple(pages.group(found, rows, about.limit)),
            rerank_scores=order.scores,
            reranking_problem=order.problem,
        )


def _search_mode(space: SearchSpace | None) -> SearchMode:
    return "keyword" if space is None else "hybrid"
