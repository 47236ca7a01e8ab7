"""Calls that wait for one another's round trip and then go as one: the first goes alone, those behind it together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

LANES = 2
"""Round trips under way at once: while one waits for the network, the database works on the other."""
MOST_CALLS = 16
MOST_BYTES = 1_000_000
"""What one body may weigh, by its vectors and texts; a single call may weigh more."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function of ours with its arguments as JSON values; `bytes` is about what it weighs."""

    function: str
    arguments: Mapping[str, object]
    bytes: int


Answer = Mapping[str, object]
Send = Callable[[Sequence[Call]], Awaitable[Sequence[Answer]]]
_Waiting = tuple[Call, "asyncio.Future[Answer]"]


@dataclass(slots=True)
class Together:
    """Gives every call its own answer; `send` does several in one round trip, and its failure is that of each."""

    send: Send
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _under_way: set[asyncio.Task[Sequence[Answer]]] = field(default_factory=set)

    async def answer(self, call: Call) -> Answer:
        """The answer to `call`. One that is cancelled after it was sent may have been done. Raises what `send` does."""
        waited: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, waited))
        self._fill_lanes()
        return await waited

    async def close(self) -> None:
        """Give up what waits and what is under way; those who wait are cancelled."""
        while self._waiting:
            self._waiting.popleft()[1].cancel()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _fill_lanes(self) -> None:
        while len(self._under_way) < LANES and (batch := self._next()):
            self._keep(batch, asyncio.create_task(self._sent([call for call, _ in batch])))

    def _keep(self, batch: Sequence[_Waiting], task: asyncio.Task[Sequence[Answer]]) -> None:
        self._under_way.add(task)
        task.add_done_callback(partial(self._ended, batch))

    async def _sent(self, calls: Sequence[Call]) -> Sequence[Answer]:
        return await self.send(calls)

    def _next(self) -> list[_Waiting]:
        """The oldest that fit into one body; nobody waits any more for a call that was cancelled."""
        batch: list[_Waiting] = []
        weight = 0
        while self._waiting and len(batch) < MOST_CALLS:
            call, waited = self._waiting[0]
            if batch and weight + call.bytes > MOST_BYTES:
                break
            self._waiting.popleft()
            if not waited.done():
                batch.append((call, waited))
                weight += call.bytes
        return batch

    def _ended(self, batch: Sequence[_Waiting], task: asyncio.Task[Sequence[Answer]]) -> None:
        self._under_way.discard(task)
        for place, (_, waited) in enumerate(batch):
            if waited.done():
                continue
            if task.cancelled():
                waited.cancel()
            elif (error := task.exception()) is not None:
                waited.set_exception(error)
            else:
                waited.set_result(task.result()[place])
        self._fill_lanes()
