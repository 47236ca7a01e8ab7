"""Server-sent events that are flushed at once, stay alive through silence, and end when the client leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from src.errors import ArchonError, JsonValue

KEEP_ALIVE_S = 10.0
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""No buffering: a reverse proxy that collects the stream would take its liveness away."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name, its JSON body, and the number to go on from where the stream can be taken up again."""

    name: str
    data: Mapping[str, JsonValue]
    number: int | None = None

    def encode(self) -> bytes:
        """The event on the wire; JSON has no raw line breaks, so one data line is enough."""
        text = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"), default=str)
        number = "" if self.number is None else f"id: {self.number}\n"
        return f"event: {self.name}\ndata: {text}\n{number}\n".encode()


class EventStream(Response):
    """Relays `events`. What fails before the first one is raised, so that it becomes an ordinary HTTP error.

    The source is closed as soon as the client leaves or `stopping` is set (the server shuts down), also
    while it waits for its first event: whatever it works on (a model's answer) is stopped by that.
    `farewell` is sent to a client that is cut off by the shutdown. `headers` are sent too, as they are when the
    first event has come.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncIterator[ServerEvent],
        stopping: asyncio.Event,
        *,
        farewell: ServerEvent | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
        headers: MutableHeaders | None = None,
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._more = headers
        self._events = events
        self._stopping = stopping
        self._farewell = farewell
        self._keep_alive_s = keep_alive_s
        self._started = False
        self._sent_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = asyncio.ensure_future(_left(receive))
        stopped = asyncio.ensure_future(self._stopping.wait())
        relay = asyncio.ensure_future(self._relay(send))
        try:
            await self._accompany(relay, send, left, stopped)
            if stopped.done() and self._farewell is not None:
                await self._send(send, self._farewell.encode())
        except ArchonError as error:
            if not self._started:
                raise
            await self._send(send, ServerEvent("error", error.to_dict()).encode())
        finally:
            await _cancel(relay, left, stopped)
            close = getattr(self._events, "aclose", None)
            if close is not None:
                await close()
        await self._send(send, b"", more=False)

    async def _relay(self, send: Send) -> None:
        async for event in self._events:
            await self._send(send, event.encode())

    async def _accompany(
        self, relay: asyncio.Future[None], send: Send, left: asyncio.Future[None], stopped: asyncio.Future[Any]
    ) -> None:
        """Keep the client's connection alive until `relay` is through, or ended because nobody reads on."""
        now = asyncio.get_running_loop().time
        waited: set[asyncio.Future[Any]] = {relay, left, stopped}
        while True:
            # Before the first event nothing is sent, so that a failure can still have its own status.
            silent_s = now() - self._sent_at if self._started else 0.0
            if silent_s >= self._keep_alive_s:
                await self._send(send, b": keep-alive\n\n")
                continue
            wait_s = self._keep_alive_s - silent_s
            await asyncio.wait(waited, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if left.done() or stopped.done():
                await _cancel(relay)
                return None
            if relay.done():
                return relay.result()

    async def _send(self, send: Send, body: bytes, *, more: bool = True) -> None:
        if not self._started:
            headers = [*self.raw_headers, *(self._more.raw if self._more is not None else ())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            self._started = True
        self._sent_at = asyncio.get_running_loop().time()
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    """End the tasks and wait for their last words: a generator stores there what it has."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
