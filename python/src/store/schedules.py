"""Refreshing by a schedule: how often a source is visited again, and when next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from src.errors import NotFound

from . import columns
from .database import Database, Json, Row
from .jobs import Job, JsonObject, job_of


@dataclass(frozen=True, slots=True)
class Schedule:
    """`every_s` None: only when somebody asks for it."""

    every_s: float | None
    next_refresh_at: datetime | None


async def of_source(database: Database, source_id: str) -> Schedule:
    """The schedule of a source. Raises NotFound, StoreError."""
    return _one(await database.call("archon_schedule_of", source=source_id), source_id)


async def change(database: Database, source_id: str, *, every_s: float | None) -> Schedule:
    """Visit the source every so many seconds from now on; None: only when asked. Raises NotFound, StoreError."""
    return _one(await database.call("archon_schedule_set", source=source_id, every_s=every_s), source_id)


async def due(database: Database, *, most: int) -> list[str]:
    """The sources whose time has come, the longest due first. Raises StoreError."""
    return [columns.text(row, "source_id") for row in await database.call("archon_schedule_due", most=most)]


async def begin(
    database: Database, source_id: str, *, request: JsonObject, progress: JsonObject, again_s: float
) -> Job | None:
    """Queue the visit of a source that is due, and set its next time in the same step.

    None: another worker begins it, or the source is being worked on and is due again after `again_s` seconds.

    Raises:
        StoreError: the database did not answer; the source is due as before.
    """
    rows = await database.call(
        "archon_schedule_begin", source=source_id, request=Json(request), progress=Json(progress), again_s=again_s
    )
    return job_of(rows[0]) if rows else None


def _one(rows: list[Row], source_id: str) -> Schedule:
    if not rows:
        raise NotFound(f"There is no source '{source_id}'.")
    every = rows[0]["every_seconds"]
    return Schedule(None if every is None else float(str(every)), columns.optional_moment(rows[0], "next_refresh_at"))
