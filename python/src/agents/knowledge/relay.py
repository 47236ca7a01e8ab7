"""Work that tells events, as a stream of them. The work runs in a task of its own and ends with its listener."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from .events import AgentEvent, Tell

_AHEAD = 32
"""Events that may wait for a slow listener; then the work waits too."""


async def relay(work: Callable[[Tell], Awaitable[None]]) -> AsyncGenerator[AgentEvent, None]:
    """The events of `work`. Closing the iterator cancels the work and waits until it has ended.

    Each event may be asked for by another task: the connections and deadlines of the work all stay in one.

    Raises:
        Exception: what the work raises, once its events are out.
    """
    events: asyncio.Queue[AgentEvent | None] = asyncio.Queue(_AHEAD)

    async def tell(event: AgentEvent) -> None:
        await events.put(event)

    async def run() -> None:
        try:
            await work(tell)
        finally:
            # Never waits: whoever still listens makes room, and nobody else reads it.
            await events.put(None)

    task = asyncio.create_task(run())
    try:
        while (event := await events.get()) is not None:
            yield event
        await task
    finally:
        task.cancel()
        # A task that waits to put its last word would wait for ever without a reader.
        while not task.done():
            while not events.empty():
                events.get_nowait()
            await asyncio.wait({task}, timeout=0.05)
        if not task.cancelled():
            task.exception()
