"""Waiting out an outage: a database or model server that is away for a while does not end a job of hours."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from src.errors import ArchonError, StoreUnavailable
from src.store.database import Database, Row, SqlValue, StoreState


@dataclass(slots=True)
class Patience:
    """How long an outage may last, in seconds, and what to tell while it does."""

    limit_s: float
    tell: Callable[[str], None]
    first_s: float = 0.5
    longest_s: float = 15.0
    _since: float | None = None
    _tries: int = 0

    async def wait(self, error: ArchonError) -> None:
        """Wait before the next try.

        Raises:
            ArchonError: `error` itself, when the outage has lasted too long or waiting cannot heal it.
        """
        now = time.monotonic()
        self._since = self._since if self._since is not None else now
        if not error.retryable or now - self._since >= self.limit_s:
            raise error
        self._tries += 1
        self.tell(f"Waiting: {error.message}")
        longest = min(self.first_s * float(2 ** min(self._tries, 10)), self.longest_s)
        await asyncio.sleep(random.uniform(0.5, 1.0) * longest)  # noqa: S311

    def over(self) -> None:
        """It works again."""
        if self._since is not None:
            self.tell("Going on")
        self._since, self._tries = None, 0


@dataclass(slots=True)
class PatientDatabase:
    """A database whose calls wait until it is back. For calls that may be repeated: all of a job's are."""

    database: Database
    limit_s: float
    tell: Callable[[str], None]
    first_s: float = 0.5
    _patience: Patience = field(init=False)

    def __post_init__(self) -> None:
        self._patience = Patience(self.limit_s, self.tell, self.first_s)

    async def call(self, function: str, /, **arguments: SqlValue) -> list[Row]:
        """As Database.call; raises StoreUnavailable only after the limit."""
        return await self._patiently(lambda: self.database.call(function, **arguments))

    async def call_long(self, function: str, /, **arguments: SqlValue) -> list[Row]:
        """As Database.call_long; raises StoreUnavailable only after the limit."""
        return await self._patiently(lambda: self.database.call_long(function, **arguments))

    async def _patiently(self, called: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
        while True:
            try:
                rows = await called()
            except StoreUnavailable as error:
                await self._patience.wait(error)
            else:
                self._patience.over()
                return rows

    async def state(self) -> StoreState:
        """As Database.state."""
        return await self.database.state()

    async def close(self) -> None:
        """The database belongs to whoever opened it."""
