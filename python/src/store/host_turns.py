"""Turns at a site that wants pauses between its visitors' requests: one row of them for all jobs and workers."""

from __future__ import annotations

from . import columns
from .database import Database


async def take(database: Database, host: str, delay_s: float) -> float:
    """The next turn at `host`, `delay_s` after the one before: seconds until it comes. Raises StoreError."""
    [row] = await database.call("archon_host_turn", host=host, delay_s=delay_s)
    return columns.number(row, "wait_ms") / 1000
