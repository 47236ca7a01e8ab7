"""Batches on their way into a store: the next one is read and several are written while one is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from . import copying
from .copying import Batch
from .database import Database

SIDE_BY_SIDE = 4
"""Batches written at once, each over a connection of its own: Postgres counts the words of a passage as it comes in."""


async def ahead(batches: AsyncIterator[Batch]) -> AsyncIterator[Batch]:
    """The same batches; the next one is fetched while one is in use. Raises what `batches` raises."""
    coming = asyncio.create_task(_next(batches))
    try:
        while (batch := await coming) is not None:
            coming = asyncio.create_task(_next(batches))
            yield batch
    finally:
        coming.cancel()
        await asyncio.wait({coming})


async def _next(batches: AsyncIterator[Batch]) -> Batch | None:
    return await anext(batches, None)


@dataclass(slots=True)
class Filling:
    """Writes batches side by side, one table after the other: parents are there before their children come."""

    target: Database
    written: dict[str, int] = field(default_factory=dict)
    _table: str = ""
    _under_way: set[asyncio.Task[int]] = field(default_factory=set)

    async def put(self, batch: Batch) -> None:
        """Begin to write `batch`, once there is room. Raises what one before it met: StoreError, MigrationNeeded."""
        if batch.table != self._table:
            await self.settle()
            self._table = batch.table
        if len(self._under_way) >= SIDE_BY_SIDE:
            await self._wait(asyncio.FIRST_COMPLETED)
        self._under_way.add(asyncio.create_task(copying.write(self.target, batch)))

    async def settle(self) -> None:
        """Wait for all of the present table and end it. Raises StoreError."""
        if self._table:
            await self._wait(asyncio.ALL_COMPLETED)
            await copying.settle(self.target, self._table)

    async def stop(self) -> None:
        """Give up what is under way; nothing is written any more afterwards."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._under_way.clear()

    async def _wait(self, until: str) -> None:
        if not self._under_way:
            return
        done, self._under_way = await asyncio.wait(self._under_way, return_when=until)
        for task in done:
            self.written[self._table] = self.written.get(self._table, 0) + task.result()
