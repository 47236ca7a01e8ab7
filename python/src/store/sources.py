"""Sources: where knowledge came from, with counts and the last work on each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from src.errors import JsonValue, NotFound

from . import columns
from .database import Database, Json, Row

Sort = Literal["updated", "title", "words", "refresh"]


@dataclass(frozen=True, slots=True)
class LastJob:
    """The newest job of a source. `state` is queued, running, paused, completed, failed or cancelled."""

    id: str
    state: str
    finished_at: datetime | None
    stored_pages: int
    failed_pages: int
    error: dict[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """One source as lists show it. `char_count` is of the pages' text; `last_read_at` when a page last came new."""

    source_id: str
    url: str
    display_name: str
    title: str
    summary: str
    metadata: dict[str, JsonValue]
    word_count: int
    page_count: int
    chunk_count: int
    code_examples_count: int
    created_at: datetime
    updated_at: datetime
    last_job: LastJob | None
    char_count: int = 0
    languages: tuple[str, ...] = ()
    last_read_at: datetime | None = None
    next_refresh_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """A page that failed in the newest job of its source, with the reason as an error body."""

    url: str
    error: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class SourcePage:
    """A slice of the list; `total` counts all that match."""

    items: tuple[SourceSummary, ...]
    total: int


async def summaries(
    database: Database,
    *,
    page: int = 1,
    per_page: int = 20,
    knowledge_type: str | None = None,
    search: str | None = None,
    tag: str | None = None,
    troubled: bool = False,
    sort: Sort = "updated",
) -> SourcePage:
    """Sources; `search` is found in title, summary, address and id. Raises StoreError.

    `troubled` leaves those whose newest job failed, or lost pages. `sort` is newest change first, by title, most
    words first, or next refresh first.
    """
    rows = await database.call(
        "archon_source_list",
        source=None,
        knowledge_type=knowledge_type or None,
        search=f"%{_literal(search)}%" if search else None,
        tag=tag or None,
        troubled=troubled,
        sort=sort,
        row_limit=per_page,
        row_offset=(page - 1) * per_page,
    )
    total = columns.number(rows[0], "total") if rows else 0
    return SourcePage(items=tuple(_summary(row) for row in rows), total=total)


async def get(database: Database, source_id: str) -> SourceSummary:
    """One source. Raises NotFound, StoreError."""
    rows = await database.call(
        "archon_source_list",
        source=source_id,
        knowledge_type=None,
        search=None,
        tag=None,
        troubled=False,
        sort="updated",
        row_limit=1,
        row_offset=0,
    )
    if not rows:
        raise NotFound(f"There is no source '{source_id}'.")
    return _summary(rows[0])


async def problems(database: Database, source_id: str, *, most: int = 100) -> list[SourceProblem]:
    """The pages that failed in the newest job of a source, at most `most`. Raises StoreError."""
    rows = await database.call("archon_source_problems", source=source_id, most=most)
    return [SourceProblem(columns.text(row, "url"), columns.json_object(row, "error")) for row in rows]


async def ensure(
    database: Database, *, source_id: str, url: str, display_name: str, title: str, metadata: dict[str, JsonValue]
) -> None:
    """Write the source's row; an existing title stays. Raises StoreError."""
    await database.call(
        "archon_source_ensure",
        source=source_id,
        source_url=url,
        display_name=display_name,
        title=title,
        metadata=Json(metadata),
    )


async def settle(database: Database, source_id: str, *, better_title: str = "") -> None:
    """Sum up the source's words after a job; a source without pages goes again. Raises StoreError."""
    await database.call("archon_source_settle", source=source_id, better_title=better_title)


async def update(
    database: Database, source_id: str, *, title: str | None = None, metadata: dict[str, JsonValue] | None = None
) -> None:
    """Change title and merge `metadata` into the stored one. Raises NotFound, StoreError."""
    rows = await database.call(
        "archon_source_update",
        source=source_id,
        title=title,
        metadata=Json(metadata or {}),
    )
    if not rows:
        raise NotFound(f"There is no source '{source_id}'.")


async def delete(database: Database, source_id: str) -> None:
    """Remove the source, its pages, chunks and vectors, and stop the work on it. Raises NotFound, StoreError."""
    if not await database.call("archon_source_delete", source=source_id):
        raise NotFound(f"There is no source '{source_id}'.")


def _literal(search: str) -> str:
    """`search` with LIKE's own signs made plain."""
    return search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _summary(row: Row) -> SourceSummary:
    job_id = columns.optional_text(row, "last_job_id")
    last_job = (
        LastJob(
            id=job_id,
            state=columns.text(row, "last_job_state"),
            finished_at=columns.optional_moment(row, "last_job_finished_at"),
            stored_pages=columns.number(row, "last_job_stored"),
            failed_pages=columns.number(row, "last_job_failed"),
            error=columns.json_object(row, "last_job_error") or None,
        )
        if job_id
        else None
    )
    return SourceSummary(
        source_id=columns.text(row, "source_id"),
        url=columns.text(row, "source_url"),
        display_name=columns.text(row, "display_name"),
        title=columns.text(row, "title"),
        summary=columns.text(row, "summary"),
        metadata=columns.json_object(row, "metadata"),
        word_count=columns.number(row, "word_count"),
        page_count=columns.number(row, "page_count"),
        chunk_count=columns.number(row, "chunk_count"),
        code_examples_count=columns.number(row, "code_examples_count"),
        created_at=columns.moment(row, "created_at"),
        updated_at=columns.moment(row, "updated_at"),
        last_job=last_job,
        char_count=columns.number(row, "char_count"),
        languages=columns.texts(row, "languages"),
        last_read_at=columns.optional_moment(row, "last_read_at"),
        next_refresh_at=columns.optional_moment(row, "next_refresh_at"),
    )
