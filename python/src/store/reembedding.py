"""A change of the embedding model that several workers share: its texts in the hands of one of them each."""

from __future__ import annotations

from dataclasses import dataclass

from . import columns
from .database import Database
from .job_sharing import MOST_HELPERS
from .jobs import Job, job_of
from .spaces import PendingText, TextKind


@dataclass(frozen=True, slots=True)
class Help:
    """Vectors that helpers wrote since this was asked last, and whether one still works."""

    written: int
    busy: bool


async def begin(database: Database, job_id: str, worker: str) -> None:
    """Hand out all texts that have no vector, from the first one; no other worker has any in hand.

    Raises:
        Conflict: the job belongs to another worker now.
        StoreError: the database did not answer.
    """
    await database.call("archon_reembed_begin", job=job_id, worker=worker)


async def take(
    database: Database, job_id: str, worker: str, space_id: int, kind: TextKind, *, limit: int
) -> list[PendingText]:
    """Texts that nobody else has in hand, by id; none: all were handed out.

    Raises:
        Conflict: this worker has no part in the job any more.
        StoreError: the database did not answer.
    """
    rows = await database.call(
        "archon_reembed_take", job=job_id, worker=worker, space=space_id, kind=kind, row_limit=limit
    )
    return [
        PendingText(columns.number(row, "id"), columns.text(row, "content"), columns.text(row, "url")) for row in rows
    ]


async def join(database: Database, worker: str, *, lease_s: float) -> Job | None:
    """Help at the change that is under way; None: there is none with something left. Raises StoreError."""
    rows = await database.call("archon_reembed_join", worker=worker, lease_s=lease_s, most_helpers=MOST_HELPERS)
    return job_of(rows[0]) if rows else None


async def tell(database: Database, job_id: str, kind: TextKind, written: int) -> None:
    """Let the leader know of vectors that this helper wrote. Raises StoreError."""
    await database.call("archon_reembed_tell", job=job_id, kind=kind, written=written)


async def helped(database: Database, job_id: str) -> Help:
    """What helpers did. Raises StoreError."""
    row = (await database.call("archon_reembed_helped", job=job_id))[0]
    return Help(columns.number(row, "written"), bool(row["busy"]))
