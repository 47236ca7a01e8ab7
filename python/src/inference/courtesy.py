"""Who comes first on one's own machine: while a person waits for its answer, nothing new of a crawl is sent to it.

A crawl fills its embedding server, and a chat server beside it on the same machine would share every core with it: the
first token of an answer came several times later. What is under way is not broken off.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

MOST_S = 2.0
"""How long one request of a crawl gives way: it goes on, slower, however many people ask."""
LINGER_S = 0.5
"""Who had a question embedded asks the chat model next; what is between takes less than this."""
RECENT_S = 30.0
"""Who asked a moment ago will ask again: so long a slow server is not given more than one request ahead of them."""
_HERE = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - names of this machine, nothing is bound


class Courtesy:
    """The people who wait for one machine."""

    def __init__(self) -> None:
        self._waiting = 0
        self._free = asyncio.Event()
        self._free.set()
        self._last = float("-inf")

    @property
    def somebody_was_here(self) -> bool:
        """Whether somebody waits, or did a moment ago."""
        return bool(self._waiting) or time.monotonic() - self._last < RECENT_S

    @contextmanager
    def somebody_waits(self, *, linger_s: float = 0.0) -> Iterator[None]:
        """A person waits while the block runs, and `linger_s` seconds longer."""
        self._waiting += 1
        self._free.clear()
        try:
            yield
        finally:
            if linger_s:
                asyncio.get_running_loop().call_later(linger_s, self._gone)
            else:
                self._gone()

    def _gone(self) -> None:
        self._waiting -= 1
        self._last = time.monotonic()
        if not self._waiting:
            self._free.set()

    async def give_way(self, most_s: float = MOST_S) -> None:
        """Wait until nobody waits, `most_s` seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._free.wait()


def courtesy_on(address: str) -> Courtesy:
    """Of the machine that `address` names, for all in the running event loop."""
    host = urlsplit(address).hostname or address
    machines = _MACHINES.setdefault(asyncio.get_running_loop(), {})
    return machines.setdefault("" if host in _HERE else host, Courtesy())


_MACHINES: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Courtesy]] = WeakKeyDictionary()
