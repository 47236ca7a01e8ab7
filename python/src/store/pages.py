"""Pages, their chunks and vectors: written together, read apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from src.errors import JsonValue, NotFound

from . import columns
from .code_examples import NewExample
from .database import Database, Json, Row, Vector


@dataclass(frozen=True, slots=True)
class WorkPlace:
    """Who writes, and for which address of which job: a worker that lost its lease is refused."""

    job_id: str
    worker: str
    source_id: str
    frontier_key: str


@dataclass(frozen=True, slots=True)
class NewPage:
    """A page to be written. `url_key` is its canonical address, unique within its source.

    `links` are the addresses in scope that it leads to; `read_as` names the way it was read and cut. `notice` is what
    people should know of it, as an error has it.
    """

    url: str
    url_key: str
    title: str
    content: str
    content_hash: str
    language: str | None
    word_count: int
    section_title: str | None
    section_order: int
    metadata: dict[str, JsonValue]
    etag: str | None = None
    last_modified: str | None = None
    links: tuple[str, ...] = ()
    read_as: str | None = None
    notice: dict[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to be written, with its vector. `page_number` counts from 1 where the document has pages."""

    content: str
    heading_path: tuple[str, ...]
    token_count: int
    page_number: int | None
    metadata: dict[str, JsonValue]
    vector: Vector


@dataclass(frozen=True, slots=True)
class PageListing:
    """One page without its text."""

    id: str
    url: str
    title: str
    section_title: str | None
    section_order: int
    word_count: int
    char_count: int
    chunk_count: int
    fetched_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredPage:
    """One page with its whole text in Markdown."""

    id: str
    source_id: str
    url: str
    title: str
    full_content: str
    section_title: str | None
    section_order: int
    word_count: int
    char_count: int
    chunk_count: int
    language: str | None
    metadata: dict[str, JsonValue]
    created_at: datetime
    updated_at: datetime
    fetched_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """One chunk as readers see it. `title` is its page's."""

    id: int
    source_id: str
    content: str
    metadata: dict[str, JsonValue]
    url: str
    title: str
    heading_path: tuple[str, ...]
    page_id: str | None
    page_number: int | None
    chunk_number: int
    token_count: int | None


@dataclass(frozen=True, slots=True)
class ChunkPage:
    """A slice of a source's chunks; `total` counts all."""

    items: tuple[StoredChunk, ...]
    total: int


class Standing(Enum):
    """How what was read stands to what is stored: the same, and noted so; something else; nothing."""

    KEPT = "kept"
    CHANGED = "changed"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class KnownPage:
    """A stored page that its site may be asked about: what it was sent with, and where it led to."""

    etag: str | None
    last_modified: str | None
    content_hash: str
    links: tuple[str, ...]


async def keep(database: Database, place: WorkPlace, *, page_key: str, content_hash: str, space_id: int) -> Standing:
    """Whether the page is stored with this content and vectors in this space; then it is noted as unchanged.

    Raises:
        Conflict: the job belongs to another worker now.
        StoreError: the database refused.
    """
    rows = await database.call(
        "archon_page_keep",
        job=place.job_id,
        worker=place.worker,
        frontier_key=place.frontier_key,
        source=place.source_id,
        page_key=page_key,
        hash=content_hash,
        space=space_id,
    )
    if rows and rows[0]["kept"]:
        return Standing.KEPT
    return Standing.CHANGED if rows and rows[0]["stored"] else Standing.NEW


async def known(database: Database, source_id: str, *, page_key: str, space_id: int, read_as: str) -> KnownPage | None:
    """A page that need not be fetched whole if its site says that it is unchanged. Raises StoreError."""
    rows = await database.call(
        "archon_page_known", source=source_id, page_key=page_key, space=space_id, read_as=read_as
    )
    if not rows:
        return None
    return KnownPage(
        etag=columns.optional_text(rows[0], "etag"),
        last_modified=columns.optional_text(rows[0], "last_modified"),
        content_hash=columns.text(rows[0], "content_hash"),
        links=columns.texts(rows[0], "links"),
    )


async def vectors(
    database: Database, source_id: str, *, page_key: str, space_id: int, texts: Sequence[str]
) -> dict[str, Vector]:
    """Of `texts`, those that a stored page's passages or code examples were embedded as in this space, each with the
    vector it has. Raises StoreError.
    """
    asked = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    rows = await database.call(
        "archon_page_vectors", source=source_id, page_key=page_key, space=space_id, hashes=list(asked)
    )
    return {asked[columns.text(row, "hash")]: columns.need_vector(row, "embedding") for row in rows}


async def save(
    database: Database,
    place: WorkPlace,
    page: NewPage,
    chunks: Sequence[NewChunk],
    *,
    space_id: int,
    examples: Sequence[NewExample] = (),
) -> str:
    """Write the page, its chunks, code examples and vectors in place of what it had: all or nothing. Its id comes back.

    Raises:
        Conflict: the job belongs to another worker now.
        NotFound: the source was deleted meanwhile.
        InvalidInput: a vector has the wrong size.
        StoreError: the database refused; the former page stands as it was.
    """
    rows = await database.call(
        "archon_page_save_whole",
        job=place.job_id,
        worker=place.worker,
        frontier_key=place.frontier_key,
        source=place.source_id,
        page=Json(_page_json(page)),
        space=space_id,
        contents=[chunk.content for chunk in chunks],
        details=Json([_chunk_json(chunk) for chunk in chunks]),
        embeddings=[chunk.vector for chunk in chunks],
        codes=[example.code for example in examples],
        code_details=Json([example.details() for example in examples]),
        code_embeddings=[example.vector for example in examples],
    )
    return columns.text(rows[0], "page_id")


async def remove(database: Database, place: WorkPlace, *, page_key: str, error: dict[str, JsonValue]) -> bool:
    """Take away a page that its site no longer has; False when none was stored. Raises Conflict, StoreError."""
    rows = await database.call(
        "archon_page_remove",
        job=place.job_id,
        worker=place.worker,
        frontier_key=place.frontier_key,
        source=place.source_id,
        page_key=page_key,
        error=Json(error),
    )
    return bool(rows and rows[0]["removed"])


async def addresses(database: Database, source_id: str) -> list[tuple[str, str]]:
    """(URL, canonical URL) of every stored page of a source. Raises StoreError."""
    rows = await database.call("archon_page_urls", source=source_id)
    return [(columns.text(row, "url"), columns.text(row, "url_key")) for row in rows]


async def listing(database: Database, source_id: str, *, section: str | None = None) -> list[PageListing]:
    """A source's pages in their order. Raises StoreError."""
    rows = await database.call("archon_page_list", source=source_id, section=section)
    return [
        PageListing(
            id=columns.text(row, "id"),
            url=columns.text(row, "url"),
            title=columns.text(row, "title"),
            section_title=columns.optional_text(row, "section_title"),
            section_order=columns.number(row, "section_order"),
            word_count=columns.number(row, "word_count"),
            char_count=columns.number(row, "char_count"),
            chunk_count=columns.number(row, "chunk_count"),
            fetched_at=columns.optional_moment(row, "fetched_at"),
        )
        for row in rows
    ]


async def get(database: Database, page_id: str) -> StoredPage:
    """One page. Raises NotFound (also for an id that is no uuid: InvalidInput), StoreError."""
    return _one(await database.call("archon_page", page=page_id), page_id)


async def by_url(database: Database, url: str, *, url_key: str | None = None) -> StoredPage:
    """The page of an address; `url_key` is its canonical form. Raises NotFound, StoreError."""
    return _one(await database.call("archon_page_by_url", page_url=url, page_key=url_key or url), url)


async def chunks(
    database: Database, source_id: str, *, limit: int = 20, offset: int = 0, url_contains: str | None = None
) -> ChunkPage:
    """A slice of a source's chunks, ordered by page and place. Raises StoreError."""
    rows = await database.call(
        "archon_chunk_list",
        source=source_id,
        address=f"%{url_contains}%" if url_contains else None,
        row_limit=limit,
        row_offset=offset,
    )
    total = columns.number(rows[0], "total") if rows else 0
    return ChunkPage(items=tuple(_chunk(row) for row in rows), total=total)


def _page_json(page: NewPage) -> dict[str, JsonValue]:
    return {
        "url": page.url,
        "url_key": page.url_key,
        "title": page.title,
        "content": page.content,
        "content_hash": page.content_hash,
        "language": page.language,
        "word_count": page.word_count,
        "section_title": page.section_title,
        "section_order": page.section_order,
        "metadata": page.metadata,
        "etag": page.etag,
        "last_modified": page.last_modified,
        "links": list(page.links),
        "read_as": page.read_as,
        "notice": page.notice,
    }


def _chunk_json(chunk: NewChunk) -> dict[str, JsonValue]:
    return {
        "heading_path": list(chunk.heading_path),
        "token_count": chunk.token_count,
        "page_number": chunk.page_number,
        "metadata": chunk.metadata,
    }


def _one(rows: Sequence[Row], asked: str) -> StoredPage:
    if not rows:
        raise NotFound(f"There is no page '{asked}'.")
    row = rows[0]
    return StoredPage(
        id=columns.text(row, "id"),
        source_id=columns.text(row, "source_id"),
        url=columns.text(row, "url"),
        title=columns.text(row, "title") or columns.text(row, "section_title") or columns.text(row, "url"),
        full_content=columns.text(row, "full_content"),
        section_title=columns.optional_text(row, "section_title"),
        section_order=columns.number(row, "section_order"),
        word_count=columns.number(row, "word_count"),
        char_count=columns.number(row, "char_count"),
        chunk_count=columns.number(row, "chunk_count"),
        language=columns.optional_text(row, "language"),
        metadata=columns.json_object(row, "metadata"),
        created_at=columns.moment(row, "created_at"),
        updated_at=columns.moment(row, "updated_at"),
        fetched_at=columns.optional_moment(row, "fetched_at"),
    )


def _chunk(row: Row) -> StoredChunk:
    return StoredChunk(
        id=columns.number(row, "id"),
        source_id=columns.text(row, "source_id"),
        content=columns.text(row, "content"),
        metadata=columns.json_object(row, "metadata"),
        url=columns.text(row, "url"),
        title=columns.text(row, "title"),
        heading_path=columns.texts(row, "heading_path"),
        page_id=columns.optional_text(row, "page_id"),
        page_number=columns.optional_number(row, "page_number"),
        chunk_number=columns.number(row, "chunk_number"),
        token_count=columns.optional_number(row, "token_count"),
    )
