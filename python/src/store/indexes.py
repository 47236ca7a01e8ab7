"""Indexes of vectors that came all at once: put off when they come, built by whoever looks after the store.

A build may take longer than anybody waits for an answer: then it is watched until the database is done with it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from src.errors import StoreUnavailable

from . import columns, spaces
from .columns import need
from .database import Database

_LOOK_S = 2.0


@dataclass(frozen=True, slots=True)
class IndexesLeft:
    """How many indexes wait: `ours` over vectors, `of_v1` those of Archon v1's own. Searches are exact meanwhile.

    `under_way`: some process builds one now. `behind`: vectors of passages that went meanwhile are still there.
    """

    ours: int
    of_v1: int
    under_way: bool = False
    behind: bool = False


async def put_off(database: Database) -> IndexesLeft:
    """Close what has no index yet in every space, so that it waits for one; what waits then. Raises StoreError."""
    for row in await database.call("archon_spaces"):
        await database.call("archon_index_later", space=columns.number(row, "id"))
    await spaces.analyze(database)
    return await left(database)


async def left(database: Database) -> IndexesLeft:
    """What waits. Raises StoreError, MigrationNeeded."""
    row = (await database.call("archon_indexes_left"))[0]
    return IndexesLeft(
        columns.number(row, "ours"), columns.number(row, "of_v1"), bool(row["under_way"]), bool(row["behind"])
    )


async def build_next(database: Database, *, space_id: int | None = None, of_v1: bool = False) -> bool:
    """Build one, of a space or of all, and with `of_v1` Archon v1's own last; False when none is left.

    Takes long. A build of another process is waited for. While one of v1's is built, what writes chunks waits.

    Raises:
        StoreUnavailable: the database ended it, by a time limit for example.
        Conflict: somebody wrote for minutes what it has to wait for.
        StoreError: anything else the database refused.
    """
    before = await left(database)
    if before.behind:
        await database.call("archon_vectors_gone_clear")
    if not before.ours and not (of_v1 and before.of_v1):
        return False
    try:
        row = (await database.call_long("archon_index_build", space=space_id, of_v1=of_v1))[0]
    except StoreUnavailable:
        # Only the answer may be lost: a gateway ends a request long before the database is done.
        now = await _done(database)
        if (now.ours, now.of_v1) == (before.ours, before.of_v1):
            raise
        return True
    if need(row, "busy", bool):
        await _done(database)
        return True
    return need(row, "built", bool)


async def merge_next(database: Database, *, least: int = 2) -> bool:
    """Put parts of one space together where `least` of them could be; False when there are none, or somebody builds.

    Takes as long as building the index of what comes out. Raises as `build_next` does.
    """
    before = await database.call("archon_parts_mergeable")
    if not before or columns.number(before[0], "parts") < least:
        return False
    try:
        row = (await database.call_long("archon_parts_merge", space=columns.number(before[0], "space_id")))[0]
    except StoreUnavailable:
        # Only the answer may be lost, as of a build.
        await _done(database)
        if await database.call("archon_parts_mergeable") == before:
            raise
        return True
    return need(row, "built", bool)


async def build_space(database: Database, space_id: int) -> None:
    """Build what waits of a space. Takes long. Raises as `build_next` does."""
    while await database.call("archon_parts_unindexed", space=space_id):
        if not await build_next(database, space_id=space_id):
            await asyncio.sleep(_LOOK_S)


async def _done(database: Database) -> IndexesLeft:
    """What is left once nobody builds."""
    now = await left(database)
    while now.under_way:
        await asyncio.sleep(_LOOK_S)
        now = await left(database)
    return now
