"""Parts of a body that holds several documents, as addresses of the job that reads it."""

from __future__ import annotations

from collections.abc import Sequence

from . import columns
from .database import Database
from .jobs import Address


async def add(database: Database, job_id: str, worker: str, parts: Sequence[Address]) -> int:
    """Keep the parts in this worker's hand; how many the job did not know. Raises Conflict (lease lost), StoreError."""
    rows = await database.call(
        "archon_parts_add",
        job=job_id,
        worker=worker,
        keys=[part.key for part in parts],
        urls=[part.url for part in parts],
        labels=[part.label for part in parts],
    )
    return columns.number(rows[0], "added")
