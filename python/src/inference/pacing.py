"""How many embedding requests are under way at once: as many as help, so that a person's question is not queued behind.

vLLM queues without limit and without a word, so the sign of too much is that answers take longer. The bound follows the
gradient between the best time a text took and the present one: it grows while times stay flat (the GPU has room) and
shrinks towards five where more requests only wait for each other (a CPU). 429 and 503 halve it. Where the server tells
how many texts wait, more than one request's worth of them takes requests away: a person's question waits behind those.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import sqrt
from weakref import WeakKeyDictionary

from .courtesy import Courtesy

_TOLERANCE = 1.7
_FORGET = 1.0003
_SETTLE = 0.3
_SMOOTH = 0.3
_HEADROOM = 0.5
_REQUEST_TEXTS = 32
_SLOW = 6
"""A bound as low as this is that of a server without a GPU."""
BULK_CEILING = 192
"""Requests under way to one server at most, however fast it is."""


class Pacing:
    """A bound on requests under way that adapts to what the server shows."""

    def __init__(self, *, start: int = 2, floor: int = 2, ceiling: int = 16) -> None:
        self._limit = float(min(start, ceiling))
        self._floor = float(floor)
        self._ceiling = float(ceiling)
        self._under_way = 0
        self._best_s: float | None = None
        self._now_s: float | None = None
        self._starting = True
        self._changed = asyncio.Condition()

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        return max(1, int(self._limit))

    @asynccontextmanager
    async def slot(self, courtesy: Courtesy | None = None) -> AsyncIterator[None]:
        """Wait for a place, and give it back at the end; with `courtesy`, people of that machine come first."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._under_way < self._places(courtesy))
            self._under_way += 1
        try:
            if courtesy is not None:
                await courtesy.give_way()
            yield
        finally:
            self._under_way -= 1
            async with self._changed:
                self._changed.notify_all()

    def _places(self, courtesy: Courtesy | None) -> int:
        """One on a slow server with people there: each request more only makes them wait longer for theirs."""
        return 1 if courtesy and courtesy.somebody_was_here and self.limit <= _SLOW else self.limit

    def answered(self, elapsed_s: float, characters: int) -> None:
        """An answer came: `elapsed_s` for texts of `characters` together."""
        # Smoothed, so that one lucky answer does not make all later ones look slow.
        per_character = elapsed_s / (characters + 2000)
        share = _SMOOTH if self._now_s is not None else 1.0
        self._now_s = (self._now_s or 0.0) + share * (per_character - (self._now_s or 0.0))
        self._best_s = min(self._now_s, (self._best_s or self._now_s) * _FORGET)
        gradient = max(0.5, min(1.0, _TOLERANCE * self._best_s / self._now_s)) if self._now_s > 0 else 1.0
        self._starting = self._starting and gradient == 1.0
        if self._starting:
            # Two more for each answer treble the bound in the time of one request.
            self._limit = self._within(self._limit + 2)
            return
        target = self._limit * gradient + _HEADROOM * sqrt(self._limit)
        self._limit = self._within(self._limit + _SETTLE * (target - self._limit))

    def waited(self, texts: float) -> None:
        """So many texts wait in the server's queue, whoever sent them."""
        excess = texts / _REQUEST_TEXTS - 1
        if excess > 0:
            self._starting = False
            self._limit = self._within(self._limit - min(excess / 2, self._limit / 4))

    def pushed_back(self) -> None:
        """The server said that it is too much."""
        self._starting = False
        self._limit = self._within(self._limit / 2)

    def _within(self, limit: float) -> float:
        return min(self._ceiling, max(self._floor, limit))


def pacing_for(origin: str) -> Pacing:
    """The bound that all bulk requests to one server share in the running event loop: what was learned stays."""
    paces = _PACES.setdefault(asyncio.get_running_loop(), {})
    return paces.setdefault(origin, Pacing(ceiling=BULK_CEILING))


_PACES: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Pacing]] = WeakKeyDictionary()
