"""What search reads: fused candidates, their pages, and the measure of similarity of a space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from src.errors import JsonValue

from .columns import maybe, need, need_id, need_one_of, need_vector
from .database import Database, Row, Vector

Reason = Literal["empty_store", "filter_excludes_all", "other_space", "no_match"]
_REASONS: tuple[Reason, ...] = ("empty_store", "filter_excludes_all", "other_space", "no_match")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a search may look. Empty means everywhere; a source needs one of the tags and one of the types.

    Languages are codes without region (`en`); a chunk speaks the language of its page.
    """

    source_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    knowledge_types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """How the two lists are put together: 1 / (rank_constant + rank) from each, the words' part times `keyword`.

    A word in title or headings counts `heading` times a word in the text, on top of it. `keyword` 0 leaves words out.
    The values won on the tuning part of `bench/quality.py`; docs/benchmarks.md has the table.
    """

    rank_constant: float = 10.0
    keyword: float = 1.5
    heading: float = 0.5


DEFAULT_WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class FilterValue:
    """A value that a filter may have, and how many sources have it."""

    kind: Literal["tag", "knowledge_type", "language"]
    value: str
    sources: int


@dataclass(frozen=True, slots=True)
class ChunkHit:
    """A found chunk. `similarity` is a cosine; `fused_score` what both ranks gave (`Weights`); ranks begin at 1.

    `keyword_score` is the sum over the question's words of rarity times frequency: it only orders, within one search.
    """

    id: int
    url: str
    chunk_number: int
    content: str
    metadata: dict[str, JsonValue]
    source_id: str
    page_id: str | None
    title: str | None
    heading_path: tuple[str, ...]
    page_number: int | None
    similarity: float | None
    fused_score: float
    vector_rank: int | None
    keyword_rank: int | None
    language: str | None = None
    keyword_score: float | None = None


@dataclass(frozen=True, slots=True)
class PageRow:
    """A page without its text."""

    page_id: str
    url: str
    title: str | None
    section_title: str | None
    word_count: int
    source_id: str


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """The space a question is asked in. `similarity_floor_size`: vectors it had when the floor was measured."""

    id: int
    similarity_floor: float | None
    similarity_floor_size: int | None


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A chunk of the store with its vector and the page it belongs to."""

    chunk_id: int
    page: str
    content: str
    vector: Vector


class SearchRepository:
    """The SQL functions of search, typed. Every method raises StoreError or a subclass of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def space(
        self, *, model: str, dimensions: int, normalised: bool, query_prefix: str, passage_prefix: str
    ) -> SearchSpace | None:
        """The space of this embedding identity; None when nothing was ever embedded with it."""
        rows = await self._database.call(
            "archon_search_space",
            model=model,
            dimensions=dimensions,
            normalised=normalised,
            query_prefix=query_prefix,
            passage_prefix=passage_prefix,
        )
        if not rows:
            return None
        return SearchSpace(
            id=need(rows[0], "id", int),
            similarity_floor=maybe(rows[0], "similarity_floor", float),
            similarity_floor_size=maybe(rows[0], "similarity_floor_size", int),
        )

    async def chunks(
        self,
        *,
        space: int | None,
        vector: Vector | None,
        words: str,
        scope: Scope,
        limit: int,
        weights: Weights = DEFAULT_WEIGHTS,
    ) -> list[ChunkHit]:
        """The `limit` best chunks by vector and words; by words alone when `space` is None.

        Raises:
            NotFound: there is no such space of the vector's size.
        """
        rows = await self._database.call(
            "archon_search",
            space=space,
            query_embedding=vector,
            query_text=words,
            source_ids=scope.source_ids,
            tags=scope.tags,
            knowledge_types=scope.knowledge_types,
            languages=scope.languages,
            match_count=limit,
            rank_constant=weights.rank_constant,
            keyword_weight=weights.keyword,
            heading_weight=weights.heading,
        )
        return [chunk_hit(row) for row in rows]

    async def nearest(
        self,
        *,
        space: int,
        vector: Vector,
        depth: int,
        source_ids: Sequence[str] | None = None,
        languages: Sequence[str] | None = None,
        exact: bool = False,
    ) -> list[int]:
        """Ids of the `depth` nearest chunks, nearest first; `exact` reads every vector (to measure recall)."""
        rows = await self._database.call(
            "archon_vector_nearest",
            space=space,
            query_embedding=vector,
            scope=source_ids,
            languages=languages,
            depth=depth,
            exact=exact,
        )
        return [need(row, "chunk_id", int) for row in rows]

    async def pages(self, page_ids: Sequence[str]) -> dict[str, PageRow]:
        """The pages with these ids, by id."""
        rows = await self._database.call("archon_search_pages", page_ids=page_ids)
        found = (_page_row(row) for row in rows)
        return {page.page_id: page for page in found}

    async def reason(self, *, space: int | None, scope: Scope) -> Reason:
        """Why a search in this space and scope found nothing."""
        rows = await self._database.call(
            "archon_search_why_empty",
            space=space,
            source_ids=scope.source_ids,
            tags=scope.tags,
            knowledge_types=scope.knowledge_types,
            languages=scope.languages,
        )
        return reason_of(rows[0], "archon_search_why_empty")

    async def filters(self) -> list[FilterValue]:
        """The tags, types and languages there are, the most common ones of each first."""
        rows = await self._database.call("archon_search_filters")
        return [_filter_value(row) for row in rows]

    async def vectors(self, space: int, chunk_ids: Sequence[int]) -> dict[int, Vector]:
        """The stored vectors of these chunks, by chunk; a chunk without one is left out."""
        rows = await self._database.call("archon_vectors_of", space=space, chunk_ids=chunk_ids)
        return {need(row, "chunk_id", int): need_vector(row, "embedding") for row in rows}

    async def space_size(self, space: int) -> int:
        """Vectors in the space: counted to 10,000, estimated from there on."""
        rows = await self._database.call("archon_space_size", space=space)
        return need(rows[0], "archon_space_size", int)

    async def sample(self, space: int, wanted: int) -> list[StoredPassage]:
        """Up to `wanted` passages spread evenly over the space."""
        rows = await self._database.call("archon_floor_sample", space=space, wanted=wanted)
        return [
            StoredPassage(
                chunk_id=need(row, "chunk_id", int),
                page=need(row, "page", str),
                content=need(row, "content", str),
                vector=need_vector(row, "embedding"),
            )
            for row in rows
        ]

    async def save_floor(self, space: int, floor: float, size: int) -> None:
        """Keep the similarity floor of a space, measured when it had `size` vectors."""
        await self._database.call("archon_floor_save", space=space, similarity_floor=floor, size=size)


def chunk_hit(row: Row) -> ChunkHit:
    """A row of a function that gives chunks. Raises StoreError."""
    return ChunkHit(
        id=need(row, "id", int),
        url=need(row, "url", str),
        chunk_number=need(row, "chunk_number", int),
        content=need(row, "content", str),
        metadata=need(row, "metadata", dict),
        source_id=need(row, "source_id", str),
        page_id=None if row["page_id"] is None else need_id(row, "page_id"),
        title=maybe(row, "title", str),
        heading_path=tuple(str(part) for part in need(row, "heading_path", list)),
        page_number=maybe(row, "page_number", int),
        similarity=maybe(row, "similarity", float),
        fused_score=need(row, "fused_score", float),
        vector_rank=maybe(row, "vector_rank", int),
        keyword_rank=maybe(row, "keyword_rank", int),
        language=maybe(row, "language", str),
        keyword_score=maybe(row, "keyword_score", float),
    )


def _filter_value(row: Row) -> FilterValue:
    kind = need(row, "kind", str)
    return FilterValue(
        kind="tag" if kind == "tag" else "language" if kind == "language" else "knowledge_type",
        value=need(row, "value", str),
        sources=need(row, "sources", int),
    )


def _page_row(row: Row) -> PageRow:
    return PageRow(
        page_id=need_id(row, "page_id"),
        url=need(row, "url", str),
        title=maybe(row, "title", str),
        section_title=maybe(row, "section_title", str),
        word_count=need(row, "word_count", int),
        source_id=need(row, "source_id", str),
    )


def reason_of(row: Row, column: str) -> Reason:
    """The reason that a function of the database gave. Raises StoreError for a word that is none."""
    return need_one_of(row, column, _REASONS)
