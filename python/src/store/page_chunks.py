"""The chunks of one page in their order, as search gives chunks."""

from __future__ import annotations

from dataclasses import dataclass

from . import columns
from .database import Database, Row
from .search import ChunkHit


@dataclass(frozen=True, slots=True)
class PagePart:
    """Chunks of a page; `total` counts all of the page's."""

    hits: tuple[ChunkHit, ...]
    total: int


async def from_page(database: Database, page_id: str, first: int, most: int) -> PagePart:
    """Up to `most` chunks of a page, from chunk number `first` on. Raises InvalidInput, StoreError."""
    rows = await database.call("archon_page_chunks", page=page_id, first_chunk=first, row_limit=most)
    return PagePart(tuple(_hit(row) for row in rows), columns.number(rows[0], "total") if rows else 0)


def _hit(row: Row) -> ChunkHit:
    return ChunkHit(
        id=columns.number(row, "id"),
        url=columns.text(row, "url"),
        chunk_number=columns.number(row, "chunk_number"),
        content=columns.text(row, "content"),
        metadata=columns.json_object(row, "metadata"),
        source_id=columns.text(row, "source_id"),
        page_id=columns.optional_text(row, "page_id"),
        title=columns.optional_text(row, "title"),
        heading_path=columns.texts(row, "heading_path"),
        page_number=columns.optional_number(row, "page_number"),
        # Read, not found: nothing was compared.
        similarity=None,
        fused_score=0.0,
        vector_rank=None,
        keyword_rank=None,
    )
