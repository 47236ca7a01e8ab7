"""Indexes of vectors that came all at once: put off when they come, built by whoever looks after the store."""

from __future__ import annotations

from dataclasses import dataclass

from . import columns, spaces
from .columns import need
from .database import Database


@dataclass(frozen=True, slots=True)
class IndexesLeft:
    """How many indexes wait: `ours` over vectors, `of_v1` those of Archon v1's own. Searches are exact meanwhile."""

    ours: int
    of_v1: int


async def put_off(database: Database) -> IndexesLeft:
    """Close what has no index yet in every space, so that it waits for one; what waits then. Raises StoreError."""
    for row in await database.call("archon_spaces"):
        await database.call("archon_index_later", space=columns.number(row, "id"))
    await spaces.analyze(database)
    return await left(database)


async def left(database: Database) -> IndexesLeft:
    """What waits. Raises StoreError, MigrationNeeded."""
    row = (await database.call("archon_indexes_left"))[0]
    return IndexesLeft(columns.number(row, "ours"), columns.number(row, "of_v1"))


async def build_next(database: Database) -> bool:
    """Build one of ours; False when none is left or another process is at it. Takes long. Raises StoreError."""
    return need((await database.call("archon_index_next"))[0], "archon_index_next", bool)


async def build_next_of_v1(database: Database) -> bool:
    """Build one of Archon v1's own again; False when none is left. What writes chunks waits. Raises StoreError."""
    return need((await database.call("archon_v1_index_next"))[0], "archon_v1_index_next", bool)
