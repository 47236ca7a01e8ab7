"""One sweep watches every deadline, so that a request costs no timer of its own.

A timer per wait is what a thousand requests a second cannot afford; a sweep each 50 ms over the waits in flight can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

SWEEP_S = 0.05
"""How late a deadline may be noticed, in seconds."""


_BLOCKED_S = 0.5


class Waiting(Protocol):
    """Something that waits until `due` (the loop's clock, in seconds) and is told when that has passed."""

    due: float

    def expire(self) -> None:
        """The deadline has passed."""
        ...


class Deadlines:
    """The waits in flight and the work that is due at every sweep (flushing the log)."""

    def __init__(self) -> None:
        self._waiting: set[Waiting] = set()
        self._chores: list[Callable[[float], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._swept_at = 0.0

    def start(self) -> None:
        """Begin to sweep on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._swept_at = self._loop.time()
        self._timer = self._loop.call_later(SWEEP_S, self._sweep)

    def stop(self) -> None:
        """Sweep no more."""
        if self._timer is not None:
            self._timer.cancel()

    def watch(self, wait: Waiting) -> None:
        """Look at `wait.due` from now on."""
        self._waiting.add(wait)

    def forget(self, wait: Waiting) -> None:
        """The wait is over; unknown ones are fine."""
        self._waiting.discard(wait)

    def every_sweep(self, chore: Callable[[float], None]) -> None:
        """Call `chore(now)` at each sweep."""
        self._chores.append(chore)

    def _sweep(self) -> None:
        loop = self._loop
        if loop is None:
            return
        now = loop.time()
        late = now - self._swept_at - SWEEP_S
        if late > _BLOCKED_S:
            # this process stood still (a debugger, a stopped machine): what came meanwhile has not been read yet
            for wait in self._waiting:
                wait.due += late
        self._swept_at = now
        for wait in [wait for wait in self._waiting if wait.due <= now]:
            wait.expire()
        for chore in self._chores:
            chore(now)
        self._timer = loop.call_later(SWEEP_S, self._sweep)
