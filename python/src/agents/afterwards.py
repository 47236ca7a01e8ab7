"""Small work for the model that no answer waits for: one at a time, bounded, and given up where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import structlog

from src.errors import ArchonError

_WITHIN_S = 120.0
_MOST_WAITING = 20

_log = structlog.get_logger("archon.agents.afterwards")


class Afterwards:
    """What is done once answers have ended. `key` names a piece of work; the same one is not begun twice."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def is_doing(self, key: str) -> bool:
        """Whether this is still to be done."""
        return key in self._tasks

    def do(self, key: str, work: Coroutine[None, None, None]) -> None:
        """Do `work` when its turn comes; nothing is done where too much waits already."""
        if key in self._tasks or len(self._tasks) >= _MOST_WAITING:
            work.close()
            return
        task = asyncio.create_task(self._do(key, work), name=key)
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def close(self) -> None:
        """Stop all of it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _do(self, key: str, work: Coroutine[None, None, None]) -> None:
        try:
            async with self._turn, asyncio.timeout(_WITHIN_S):
                await work
        except (ArchonError, TimeoutError) as error:
            # Everything works without it.
            _log.info("not_done", key=key, reason=type(error).__name__)
        finally:
            work.close()
