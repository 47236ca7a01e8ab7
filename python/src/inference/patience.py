"""An end to waits that are too long, for a task that waits often and mostly gets at once what it waits for."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Patience:
    """What `asyncio.timeout` does for one wait, for one after another with a single timer.

    The timer is not moved with every wait: it rings at the first one's end, and where that wait is over it is set to
    the end of the one that goes on. A timer of its own for each token took some 6 % of a chat's processor time.
    Use it as `with patience.within(seconds): await ...`; the waits are of one task at a time, none within another.
    """

    def __init__(self) -> None:
        self._until: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._is_late = False

    def within(self, seconds: float) -> Self:
        """The next wait may take so long. Leaving it raises TimeoutError where it took longer."""
        loop = asyncio.get_running_loop()
        until = self._until = loop.time() + seconds
        if self._timer is None or self._timer.when() > until:
            self.close()
            self._until = until
            self._timer = loop.call_at(until, self._ring, loop)
        return self

    def __enter__(self) -> None:
        self._task = task = asyncio.current_task()
        assert task is not None  # noqa: S101 - what awaits is a task
        self._cancelling = task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _where: TracebackType | None
    ) -> None:
        task, self._task, self._until = self._task, None, None
        if self._is_late and task is not None:
            self._is_late = False
            if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def close(self) -> None:
        """Take the timer back; it can be used again."""
        self._until = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._until is None or self._task is None:
            return
        if loop.time() < self._until:
            self._timer = loop.call_at(self._until, self._ring, loop)
            return
        self._is_late = True
        self._task.cancel()
