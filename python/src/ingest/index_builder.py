"""Builds the indexes that wait, one after the other, beside whatever else is done."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import structlog

from src.errors import ArchonError, DiskFull
from src.store import indexes, jobs, spaces
from src.store.database import Database
from src.store.disk_room import DiskRoom

_log = structlog.get_logger("archon.ingest.indexes")

_AGAIN_S = 900.0
"""An index that a database's time limit ended is not begun again and again."""
_STEP = "Where a time limit ends it: `DATABASE_URL=<connection string> archon migrate --build-indexes`."


@dataclass(slots=True)
class IndexBuilder:
    """Builds while it runs, whenever it was woken. Cancelled, it ends the build under way; nothing of that stays."""

    database: Database
    room: DiskRoom | None = None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _not_before: float = float("-inf")

    def wake(self) -> None:
        """Some index may be waiting."""
        self._woken.set()

    async def run(self) -> None:
        """Build what waits, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self.build_waiting()

    async def build_waiting(self) -> None:
        """Build what waits. What cannot be built is said in the log and tried again later."""
        if time.monotonic() < self._not_before:
            return
        try:
            built = await self._build()
            if built:
                _log.info("indexes_built", count=built)
                await spaces.analyze(self.database)
        except ArchonError as error:
            self._not_before = time.monotonic() + _AGAIN_S
            step = error.next_step if isinstance(error, DiskFull) else _STEP
            _log.warning("index_not_built", reason=error.message, again_in_s=_AGAIN_S, next_step=step)

    async def _build(self) -> int:
        """How many were built. Those of Archon v1's own only while no job would wait for it."""
        if self.room is not None:
            await asyncio.to_thread(self.room.require)
        built = 0
        while await indexes.build_next(self.database, of_v1=not await jobs.unfinished(self.database)):
            built += 1
        return built
