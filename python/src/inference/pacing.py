"""How many embedding requests are under way at once: as many as help, so that a person's question is not queued behind.

vLLM queues without limit and without a word, so the sign of too much is that answers take longer. The bound follows the
gradient between the best time a text took and the present one: it grows while times stay flat (the GPU has room) and
shrinks towards five where more requests only wait for each other (a CPU). It moves once a round, on answers to requests
sent after its last move: older ones tell of the bound before, and heeding them would take it far past its mark, then
down to nothing. 429 and 503 halve it. Where the server tells how many texts wait, more than one request's worth of them
takes requests away: a person's question waits behind those.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import sqrt
from weakref import WeakKeyDictionary

from .courtesy import Courtesy

_TOLERANCE = 1.7
"""Times so much longer than the best are those of a server that is full and has a little in hand."""
_RELEARN = 1.02
"""At its lowest the bound causes no queue, so slower answers there are the server's own: the best time follows them."""
_GROWTH = 1.25
_HEADROOM = 0.5
_SMOOTH = 4
"""Answers whose mean is the present time."""
_REQUEST_TEXTS = 32
_SLOW = 6
"""A bound as low as this is that of a server without a GPU."""
_FEW = 8
"""Texts that a server without a GPU embeds in a fifth of a second (two cores: 36 texts of 180 tokens a second)."""
FIRST_SMALL = 4
"""Requests of so few texts that a server is given before anything is known of it: together as much as one full one."""
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
        self._starting = True
        self._before = 0
        """Requests under way that were sent before the last move."""
        self._round: list[float] = []
        """Seconds a character of the answers to those sent after it."""
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
            self._before = max(0, self._before - 1)
            async with self._changed:
                self._changed.notify_all()

    def texts(self, most: int, courtesy: Courtesy | None) -> int:
        """Texts in one request, `most` at most. Few while the bound is being found, which takes several rounds, and on
        a slow server with people there, who wait for its end."""
        few = courtesy is not None and (self._starting or self._holds_back(courtesy))
        return min(most, _FEW) if few else most

    def _places(self, courtesy: Courtesy | None) -> int:
        """One on a slow server with people there: each request more only makes them wait longer for theirs."""
        return 1 if courtesy and self._holds_back(courtesy) else self.limit

    def _holds_back(self, courtesy: Courtesy) -> bool:
        return courtesy.somebody_was_here and self.limit <= _SLOW

    def answered(self, elapsed_s: float, characters: int) -> None:
        """An answer came: `elapsed_s` for texts of `characters` together."""
        if self._before:
            return
        self._round.append(elapsed_s / (characters + 2000))
        if self._starting:
            # Two more for each answer treble the bound in the time of one request.
            self._limit = self._within(self._limit + 2)
            self._starting = self._gradient() == 1.0 and self._limit < self._ceiling
        elif len(self._round) >= self._limit / 2:
            gradient = self._gradient()
            grown = _GROWTH if gradient == 1.0 else gradient
            self._move(self._limit * grown + _HEADROOM * sqrt(self._limit))

    def _gradient(self) -> float:
        """How the best time stands to the present: 1 where there is room, down to a half. A mean of several answers, so
        that a lucky one does not make all later ones look slow."""
        recent = self._round[-_SMOOTH:]
        now_s = sum(recent) / len(recent)
        at_floor = self.limit <= self._floor
        best_s = min(now_s, (self._best_s or now_s) * (_RELEARN if at_floor else 1.0))
        self._best_s = best_s
        return max(0.5, min(1.0, _TOLERANCE * best_s / now_s)) if now_s > 0 else 1.0

    def waited(self, texts: float) -> None:
        """So many texts wait in the server's queue, whoever sent them."""
        excess = texts / _REQUEST_TEXTS - 1
        if excess > 0:
            self._move(self._limit - min(excess / 2, self._limit / 4))

    def pushed_back(self) -> None:
        """The server said that it is too much."""
        self._move(self._limit / 2)

    def _move(self, limit: float) -> None:
        self._starting = False
        self._limit = self._within(limit)
        self._before = self._under_way
        self._round.clear()

    def _within(self, limit: float) -> float:
        return min(self._ceiling, max(self._floor, limit))


def pacing_for(origin: str, *, start: int = 2) -> Pacing:
    """The bound that all bulk requests to one server share in the running event loop: what was learned stays."""
    paces = _PACES.setdefault(asyncio.get_running_loop(), {})
    return paces.setdefault(origin, Pacing(start=start, ceiling=BULK_CEILING))


_PACES: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Pacing]] = WeakKeyDictionary()
