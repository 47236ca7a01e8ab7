"""Row counts by the names that Archon v1 gave them."""

from __future__ import annotations

from . import columns
from .database import Database


async def table_counts(database: Database) -> dict[str, int]:
    """Rows of projects, tasks, crawled pages and settings. Raises StoreError."""
    rows = await database.call("archon_database_metrics")
    return {columns.text(row, "name"): columns.number(row, "counted") for row in rows}
