"""Several workers at one crawl: its addresses in the hands of one of them each, and what became of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from . import columns
from .database import Database
from .jobs import FrontierRow, Job, frontier_row, job_of

MOST_HELPERS = 8


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many addresses of a job are in a state, with the passages and words stored of them."""

    state: str
    pages: int
    chunks: int
    words: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An address of a job and what became of it."""

    row: FrontierRow
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class History:
    """A slice of a job's addresses, in the order they were found; `total` counts all that match."""

    items: tuple[HistoryEntry, ...]
    total: int


async def take(database: Database, job_id: str, worker: str, *, claim: str, most: int) -> list[FrontierRow]:
    """Addresses that nobody else has in hand, in the order they were found; asked with the same `claim`, the same ones.

    Raises:
        Conflict: this worker has no part in the job any more.
        StoreError: the database did not answer.
    """
    rows = await database.call("archon_frontier_claim", job=job_id, worker=worker, claim=claim, most=most)
    return sorted((frontier_row(row) for row in rows), key=lambda row: row.ordinal)


async def others_busy(database: Database, job_id: str, worker: str) -> bool:
    """Whether other workers have addresses in hand. Raises StoreError."""
    rows = await database.call("archon_frontier_others", job=job_id, worker=worker)
    return bool(rows[0]["others"])


async def drop(database: Database, job_id: str, worker: str) -> None:
    """Have nothing in hand. Raises StoreError."""
    await database.call("archon_frontier_drop", job=job_id, worker=worker)


async def join(database: Database, worker: str, *, lease_s: float, fewest: int) -> Job | None:
    """Help at the crawl where the most addresses wait, `fewest` at least; None: there is none. Raises StoreError."""
    rows = await database.call(
        "archon_job_join", worker=worker, lease_s=lease_s, fewest=fewest, most_helpers=MOST_HELPERS
    )
    return job_of(rows[0]) if rows else None


async def keep_helping(database: Database, job_id: str, worker: str, *, lease_s: float) -> bool:
    """False when there is nothing to help with any more: ended, paused, stopped, its leader gone. Raises StoreError."""
    return bool(await database.call("archon_job_help_beat", job=job_id, worker=worker, lease_s=lease_s))


async def leave(database: Database, job_id: str, worker: str) -> None:
    """Help no more; what this worker has in hand goes to the others. Raises StoreError."""
    await database.call("archon_job_help_end", job=job_id, worker=worker)


async def counts(database: Database, job_id: str) -> list[StateCount]:
    """A job's addresses by state, whoever worked on them. Raises StoreError."""
    return [
        StateCount(
            columns.text(row, "state"),
            columns.number(row, "pages"),
            columns.number(row, "chunks"),
            columns.number(row, "words"),
        )
        for row in await database.call("archon_job_counts", job=job_id)
    ]


async def history(
    database: Database, job_id: str, *, states: Sequence[str] | None = None, limit: int = 100, offset: int = 0
) -> History:
    """What became of a job's addresses. Raises StoreError."""
    rows = await database.call("archon_job_history", job=job_id, states=states, row_limit=limit, row_offset=offset)
    items = tuple(HistoryEntry(frontier_row(row), columns.optional_moment(row, "finished_at")) for row in rows)
    return History(items, columns.number(rows[0], "total") if rows else 0)
