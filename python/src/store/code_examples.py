"""Code examples with vectors of their own: written with their page, listed, searched, given better summaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from src.errors import JsonValue

from . import columns
from .columns import maybe, need
from .database import Database, Row, Vector
from .search import Reason, Scope, reason_of


@dataclass(frozen=True, slots=True)
class NewExample:
    """An example to be written with its page. `embedded_text` is what `vector` was made of."""

    code: str
    summary: str
    language: str | None
    heading_path: tuple[str, ...]
    embedded_text: str
    metadata: dict[str, JsonValue]
    vector: Vector

    def details(self) -> dict[str, JsonValue]:
        """All but code and vector."""
        return {
            "summary": self.summary,
            "language": self.language,
            "heading_path": list(self.heading_path),
            "embedded_text": self.embedded_text,
            "metadata": self.metadata,
        }


@dataclass(frozen=True, slots=True)
class CodeExample:
    """A stored code example with what it shows; `content` is the code, character for character."""

    id: int
    source_id: str
    content: str
    summary: str
    metadata: dict[str, JsonValue]
    url: str
    page_id: str | None
    language: str | None
    heading_path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CodeExamplePage:
    """A slice of a source's code examples; `total` counts all."""

    items: tuple[CodeExample, ...]
    total: int


@dataclass(frozen=True, slots=True)
class CodeHit:
    """A found example. `similarity` is a cosine; `fused_score` a sum of 1 / (60 + rank); ranks begin at 1."""

    id: int
    url: str
    code: str
    summary: str
    metadata: Mapping[str, JsonValue]
    source_id: str
    page_id: str | None
    title: str | None
    heading_path: tuple[str, ...]
    language: str | None
    similarity: float | None
    fused_score: float
    vector_rank: int | None
    keyword_rank: int | None


@dataclass(frozen=True, slots=True)
class Unsummarised:
    """An example whose summary nobody wrote: what it is and what is said around it."""

    id: int
    code: str
    language: str | None
    metadata: dict[str, JsonValue]
    heading_path: tuple[str, ...]
    embedded_text: str


@dataclass(frozen=True, slots=True)
class Missing:
    """An example without a vector in a space, and the text to make it of."""

    id: int
    embedded_text: str


async def make_ready(database: Database, space_id: int) -> None:
    """Make the space's index over examples. Once a job, before its first write. Raises StoreError."""
    await database.call("archon_code_space_ready", space=space_id)


async def of_source(
    database: Database, source_id: str, *, language: str | None = None, limit: int = 20, offset: int = 0
) -> CodeExamplePage:
    """A slice of a source's code examples. Raises StoreError."""
    rows = await database.call(
        "archon_code_examples_of", source=source_id, written_in=language, row_limit=limit, row_offset=offset
    )
    items = tuple(
        CodeExample(
            id=columns.number(row, "id"),
            source_id=columns.text(row, "source_id"),
            content=columns.text(row, "content"),
            summary=columns.text(row, "summary"),
            metadata=columns.json_object(row, "metadata"),
            url=columns.text(row, "url"),
            page_id=columns.optional_text(row, "page_id"),
            language=columns.optional_text(row, "language"),
            heading_path=columns.texts(row, "heading_path"),
        )
        for row in rows
    )
    return CodeExamplePage(items=items, total=columns.number(rows[0], "total") if rows else 0)


async def search(
    database: Database,
    *,
    space: int | None,
    vector: Vector | None,
    words: str,
    scope: Scope,
    language: str | None,
    limit: int,
) -> list[CodeHit]:
    """The `limit` best examples by vector and words; by words alone when `space` is None.

    Raises:
        NotFound: there is no such space of the vector's size.
        StoreError: the database refused.
    """
    rows = await database.call(
        "archon_search_code",
        space=space,
        query_embedding=vector,
        query_text=words,
        source_ids=scope.source_ids,
        tags=scope.tags,
        written_in=language,
        match_count=limit,
    )
    return [_hit(row) for row in rows]


async def why_empty(database: Database, *, space: int | None, scope: Scope, language: str | None) -> Reason:
    """Why a search in code found nothing: in this space, scope and programming language. Raises StoreError."""
    rows = await database.call(
        "archon_code_why_empty", space=space, source_ids=scope.source_ids, tags=scope.tags, written_in=language
    )
    return reason_of(rows[0], "archon_code_why_empty")


async def missing(database: Database, space_id: int, *, after: int = 0, limit: int = 256) -> list[Missing]:
    """Examples without a vector in this space, by id, after the id `after`. Raises StoreError."""
    rows = await database.call("archon_code_missing", space=space_id, after=after, row_limit=limit)
    return [Missing(columns.number(row, "id"), columns.text(row, "embedded_text")) for row in rows]


async def put_vectors(database: Database, space_id: int, vectors: Mapping[int, Vector]) -> None:
    """Store vectors of examples by their ids; examples that are gone are passed over. Raises StoreError."""
    await database.call("archon_code_vectors_put", space=space_id, ids=list(vectors), embeddings=list(vectors.values()))


async def undescribed(database: Database, example_id: int, *, problem: str) -> None:
    """Note that no model could describe an example; it is not asked about again. Raises StoreError."""
    await database.call("archon_code_undescribed", example=example_id, problem=problem)


async def unsummarised(database: Database, *, after: int = 0, limit: int = 32) -> list[Unsummarised]:
    """Examples that no model has described yet, by id, after the id `after`. Raises StoreError."""
    rows = await database.call("archon_code_unsummarised", after=after, row_limit=limit)
    return [
        Unsummarised(
            id=columns.number(row, "id"),
            code=columns.text(row, "content"),
            language=columns.optional_text(row, "language"),
            metadata=columns.json_object(row, "metadata"),
            heading_path=columns.texts(row, "heading_path"),
            embedded_text=columns.text(row, "embedded_text"),
        )
        for row in rows
    ]


async def summarise(
    database: Database,
    example_id: int,
    *,
    summary: str,
    name: str,
    model: str,
    embedded_text: str,
    space_id: int,
    vector: Vector,
) -> None:
    """Give an example the summary and name that `model` wrote, and the vector with them. Raises StoreError."""
    await database.call(
        "archon_code_summarise",
        example=example_id,
        summary=summary,
        name=name,
        model=model,
        embedded_text=embedded_text,
        space=space_id,
        embedding=vector,
    )


def _hit(row: Row) -> CodeHit:
    return CodeHit(
        id=need(row, "id", int),
        url=need(row, "url", str),
        code=need(row, "content", str),
        summary=need(row, "summary", str),
        metadata=need(row, "metadata", dict),
        source_id=need(row, "source_id", str),
        page_id=columns.optional_text(row, "page_id"),
        title=maybe(row, "title", str),
        heading_path=columns.texts(row, "heading_path"),
        language=maybe(row, "language", str),
        similarity=maybe(row, "similarity", float),
        fused_score=need(row, "fused_score", float),
        vector_rank=maybe(row, "vector_rank", int),
        keyword_rank=maybe(row, "keyword_rank", int),
    )
