"""Builds the indexes that wait, one after the other, beside whatever else is done, and puts small ones together."""

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
"""What a database's time limit ended is not begun again and again."""
_MANY_PARTS = 8
"""Parts that are put together even while more come: a search goes through each of them in some 2 ms."""
_ANALYZE_EVERY_S = 60.0
_STEP = "Where a time limit ends it: `DATABASE_URL=<connection string> archon migrate --build-indexes`."


@dataclass(slots=True)
class IndexBuilder:
    """Builds while it runs, whenever it was woken. Cancelled, it ends the build under way; nothing of that stays.

    Putting parts together can wait: a build that becomes due meanwhile ends it.
    """

    database: Database
    room: DiskRoom | None = None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _calm: bool = True
    _merging: asyncio.Task[bool] | None = None
    _not_before: float = float("-inf")
    _merge_not_before: float = float("-inf")
    _analyzed_at: float = float("-inf")
    _changed: bool = False

    def wake(self, *, calm: bool = True) -> None:
        """Some index may be waiting. Not `calm`: many vectors are coming, whose indexes should not wait for others."""
        if self._merging is not None and self._calm and not calm:
            self._merging.cancel()
        self._calm = calm
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
            await self._build()
            if self._changed and (self._calm or time.monotonic() - self._analyzed_at > _ANALYZE_EVERY_S):
                await spaces.analyze(self.database)
                self._changed, self._analyzed_at = False, time.monotonic()
        except ArchonError as error:
            self._not_before = time.monotonic() + _AGAIN_S
            step = error.next_step if isinstance(error, DiskFull) else _STEP
            _log.warning("index_not_built", reason=error.message, again_in_s=_AGAIN_S, next_step=step)

    async def _build(self) -> None:
        """All that waits, then what can be put together. Archon v1's own only while no job would wait for it."""
        if self.room is not None:
            await asyncio.to_thread(self.room.require)
        while await self._next() or await self._merged():
            self._changed = True
            _log.info("index_built")

    async def _next(self) -> bool:
        return await indexes.build_next(self.database, of_v1=not await jobs.unfinished(self.database))

    async def _merged(self) -> bool:
        """Whether parts were put together. What fails of it is said and tried again later: no index waits for that."""
        if time.monotonic() < self._merge_not_before:
            return False
        least = 2 if self._calm else _MANY_PARTS
        merging = self._merging = asyncio.create_task(indexes.merge_next(self.database, least=least))
        try:
            await asyncio.wait({merging})
        finally:
            self._merging = None
            merging.cancel()
            await asyncio.wait({merging})
        if merging.cancelled():
            return False
        try:
            return merging.result()
        except ArchonError as error:
            self._merge_not_before = time.monotonic() + _AGAIN_S
            _log.warning("parts_not_put_together", reason=error.message, again_in_s=_AGAIN_S)
            return False
