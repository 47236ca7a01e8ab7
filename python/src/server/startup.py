"""Brings the rooms up behind an open port, and again after a failure that heals."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from src.errors import ArchonError
from src.inference.client import load_sdk

from .composition import Rooms
from .errors_http import NotReady, unexpected

_log = structlog.get_logger("archon.server.startup")
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0

OpenRooms = Callable[[], AbstractAsyncContextManager[Rooms]]


class Startup:
    """The rooms once they are open; `ready` is set as long as they are, for other threads to wait for.

    `loaded` is called when all that the first requests need is loaded.
    `stopping` is set when the server begins to shut down: streams end then. The rooms stay open until
    `close`, so that requests on their way can end.
    """

    def __init__(self, open_rooms: OpenRooms, loaded: Callable[[], None] = lambda: None) -> None:
        self._open_rooms = open_rooms
        self._loaded = loaded
        self._rooms: Rooms | None = None
        self._problem: ArchonError | None = None
        self.stopping = asyncio.Event()
        self._closing = asyncio.Event()
        self.ready = threading.Event()

    @property
    def problem(self) -> ArchonError | None:
        """Why the last try failed; None while the first one runs and once the rooms are open."""
        return self._problem

    @property
    def opened(self) -> Rooms | None:
        """The rooms, or None while they are not open."""
        return self._rooms

    def rooms(self) -> Rooms:
        """The open rooms.

        Raises:
            NotReady: they are still being opened.
            ArchonError: what kept the last try from opening them.
        """
        if self._rooms is not None:
            return self._rooms
        raise self._problem or NotReady("Archon is starting: the database is not open yet.")

    async def run(self) -> None:
        """Open the rooms, hold them until `close`, close them."""
        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            try:
                async with self._open_rooms() as rooms:
                    self._rooms, self._problem = rooms, None
                    self.ready.set()
                    _log.info("ready")
                    await asyncio.to_thread(load_sdk)
                    self._loaded()
                    await self._closing.wait()
                    return
            except ArchonError as error:
                self._problem = error
                _log.error("start failed", error=error.message, code=error.code, next_step=error.next_step)
            except Exception:  # noqa: BLE001 - the job edge: /health has to say that the start failed, the trace is logged
                self._problem = unexpected("start failed")
                _log.exception("start failed")
            finally:
                self.ready.clear()
                self._rooms = None
            await self._pause(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def close(self) -> None:
        """Let `run` close the rooms and return."""
        self.stopping.set()
        self._closing.set()

    async def _pause(self, seconds: float) -> None:
        waiting = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait({waiting}, timeout=seconds)
        waiting.cancel()
