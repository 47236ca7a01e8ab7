"""The side towards clients: HTTP/1.1 on asyncio's own protocols, parsed by llhttp (httptools).

One connection, one request at a time (what is pipelined waits); everything a client may do wrong has its limit here:
long heads, slow heads, slow bodies, large bodies, never reading the answer. A client that leaves, or closes its half
of the connection, cancels the task that works for it: that is what stops the work upstream.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from http import HTTPStatus
from typing import TypeAlias

import httptools

from src.errors import ArchonError
from src.inference.connection import RawHeaders

from .deadlines import Deadlines
from .envelope import JSON, TooLarge, envelope_bytes
from .front_limits import FrontLimits, HeadTooLarge, Malformed, TooSlow

Handler: TypeAlias = "Callable[[Request], Coroutine[None, None, None]]"

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_PIPELINED = 8
_LINGER_S = 2.0
"""How long a refused upload is still read and thrown away, so that the refusal arrives before the reset."""


class Request:
    """One request, whole; and the way to answer it."""

    __slots__ = (
        "_chunked",
        "_front",
        "body",
        "found",
        "headers",
        "http_1_1",
        "keep_alive",
        "method",
        "peer",
        "sent",
        "target",
        "trouble",
    )

    def __init__(self, front: Front, peer: str) -> None:
        self.method = b""
        self.target = b""
        self.headers: RawHeaders = []
        self.found: dict[bytes, bytes] = {}
        self.body = b""
        self.http_1_1 = True
        self.keep_alive = True
        self.peer = peer
        self.sent = 0
        self.trouble: ArchonError | None = None
        self._front = front
        self._chunked = False

    def header(self, name: bytes) -> bytes:
        """The first header called `name` (lower case); b'' when there is none."""
        return self.found.get(name, b"")

    def answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Send the whole answer; Content-Length is added here."""
        self.sent = status
        head = self._head(status, headers)
        head.append(b"content-length: %d\r\n\r\n" % len(body))
        if self.method != b"HEAD":
            head.append(body)
        self._front.write(b"".join(head))

    def begin(self, status: int, headers: RawHeaders) -> None:
        """Send the head of an answer whose length is not known yet."""
        self.sent = status
        self._chunked = self.http_1_1
        head = self._head(status, headers)
        if self._chunked:
            head.append(b"transfer-encoding: chunked\r\n\r\n")
        else:
            self._front.keep_alive = False
            head.append(b"\r\n")
        self._front.write(b"".join(head))

    def put(self, data: bytes) -> None:
        """Send a small piece without waiting for the client."""
        self._front.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def write(self, data: bytes) -> None:
        """Send a piece; returns when the client keeps up, so that nothing piles up here."""
        self.put(data)
        await self.drain()

    def keeps_up(self) -> bool:
        """Whether the client reads as fast as it is written to."""
        return not self._front.write_paused

    async def drain(self) -> None:
        """Return when the client keeps up."""
        if self._front.write_paused:
            await self._front.drain()

    def end(self) -> None:
        """The answer is whole."""
        if self._chunked:
            self._front.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Break the connection: the answer cannot be made whole and its framing has no room for an error."""
        self._front.abort()

    def _head(self, status: int, headers: RawHeaders) -> list[bytes]:
        out = [STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        for name, value in headers:
            out += (name, b": ", value, b"\r\n")
        if not self._front.keep_alive:
            out.append(b"connection: close\r\n")
        return out


class Guests:
    """The client connections that are open; `gone` is set while there are none."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.gone.set()
        self._fronts: set[Front] = set()

    def __len__(self) -> int:
        return len(self._fronts)

    def __iter__(self) -> Iterator[Front]:
        return iter(list(self._fronts))

    def add(self, front: Front) -> None:
        """A client has connected."""
        self._fronts.add(front)
        self.gone.clear()

    def discard(self, front: Front) -> None:
        """A client is gone."""
        self._fronts.discard(front)
        if not self._fronts:
            self.gone.set()


class Front(asyncio.Protocol):
    """One client connection."""

    def __init__(
        self,
        handler: Handler,
        limits: FrontLimits,
        deadlines: Deadlines,
        guests: Guests,
        refused: Callable[[ArchonError, str], str],
    ) -> None:
        self.keep_alive = True
        self.write_paused = False
        self.due = math.inf
        self._handler = handler
        self._limits = limits
        self._deadlines = deadlines
        self._guests = guests
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._request: Request | None = None
        self._pieces: list[bytes] = []
        self._head_size = 0
        self._body_size = 0
        self._in_head = True
        self._unparsed = 0
        self._discarding = False
        self._draining = False
        self._drained: asyncio.Future[None] | None = None
        self._peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        name = transport.get_extra_info("peername")
        self._peer = str(name[0]) if name else ""
        self._guests.add(self)
        self.due = self._loop.time() + self._limits.head_s
        self._deadlines.watch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._guests.discard(self)
        self._deadlines.forget(self)
        self._transport = None
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        if self._task is None and not self._waiting:
            self._reading()
        if self._unparsed:
            self._take_unparsed(data)
            return
        if self._in_head:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._stay_with_http_1(data[offer.args[0] :])
        except httptools.HttpParserError as error:
            self.refuse(Malformed(f"This is not an HTTP/1.1 request ({error})."))
        if self._in_head and self._head_size > self._limits.head_bytes and not self._discarding:
            self.refuse(HeadTooLarge(f"Request line and headers are longer than {self._limits.head_bytes} bytes."))

    def _stay_with_http_1(self, rest: bytes) -> None:
        """A client offered another protocol (Java's offers HTTP/2 with every request): go on as if it had not.

        llhttp stops at such an offer; the body that follows it is taken by its length.
        """
        self._parser = httptools.HttpRequestParser(self)
        if self._unparsed:
            self._take_unparsed(rest)
        elif rest:
            self.data_received(rest)

    def _take_unparsed(self, data: bytes) -> None:
        body, rest = data[: self._unparsed], data[self._unparsed :]
        self._unparsed -= len(body)
        if body:
            self.on_body(body)
        if not self._unparsed:
            self.on_message_complete()
            if rest:
                self.data_received(rest)

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Return when the client has read enough; a client that reads nothing for `write_s` is cut off."""
        self.due = self._loop.time() + self._limits.write_s
        self._drained = self._loop.create_future()
        try:
            await self._drained
        finally:
            self._drained = None
            self.due = math.inf

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def expire(self) -> None:
        """A deadline passed: idle connections are closed, slow requests refused, unread answers cut."""
        if self._task is not None or self._discarding:
            self.abort()
        elif self._request is None and not self._head_size:
            if self._transport is not None:
                self._transport.close()
        else:
            self.refuse(TooSlow("The request did not arrive in time."))

    def finish(self) -> None:
        """Take no further request: close now when idle, else after the present answer."""
        self._draining = True
        self.keep_alive = False
        if self._task is None and self._request is None and self._transport is not None:
            self._transport.close()

    def refuse(self, error: ArchonError) -> None:
        """Answer `error` to a request that will not be read to its end, and close."""
        if self._transport is None or self._discarding:
            return
        self._discarding = True
        if self._task is not None:
            # an answer is on its way; what follows it cannot be understood
            self.keep_alive = False
            return
        request_id = self._refused(error, self._peer)
        body = envelope_bytes(error, request_id)
        head = b"%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\nconnection: close\r\n\r\n"
        told = (STATUS_LINES[error.http_status], JSON[1], len(body), request_id.encode())
        self._transport.write(head % told + body)
        self._linger()

    # What llhttp calls.
    def on_message_begin(self) -> None:
        self._request = Request(self, self._peer)
        self._in_head = True
        self._pieces = []
        self._body_size = 0

    def on_url(self, url: bytes) -> None:
        if self._request is not None:
            self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        if request is not None:
            name = name.lower()
            request.headers.append((name, value))
            request.found.setdefault(name, value)

    def on_headers_complete(self) -> None:
        request = self._request
        if request is None:
            return
        self._in_head = False
        self._head_size = 0
        request.method = self._parser.get_method()
        request.http_1_1 = self._parser.get_http_version() == "1.1"
        request.keep_alive = self._parser.should_keep_alive()
        length = request.header(b"content-length")
        if self._parser.should_upgrade():
            self._unparsed = int(length or 0)
        if length and int(length) > self._limits.body_bytes:
            self._refuse_size()
        elif request.header(b"expect").lower() == b"100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._body_size > self._limits.body_bytes:
            self._refuse_size()
        elif not self._discarding:
            self._pieces.append(body)
            self.due = self._loop.time() + self._limits.body_s

    def on_message_complete(self) -> None:
        if self._unparsed:
            return
        request, self._request = self._request, None
        self._in_head = True
        if request is None or self._discarding:
            return
        request.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        if self._task is None:
            self._start(request)
            return
        self._waiting.append(request)
        if len(self._waiting) >= _PIPELINED and self._transport is not None:
            self._transport.pause_reading()

    def _refuse_size(self) -> None:
        self.refuse(TooLarge(f"The body is larger than {self._limits.body_bytes} bytes."))

    def _reading(self) -> None:
        if self._request is None and not self._head_size:
            self.due = self._loop.time() + self._limits.head_s

    def _start(self, request: Request) -> None:
        self.due = math.inf
        self.keep_alive = request.keep_alive and not self._draining
        self._task = self._loop.create_task(self._serve(request))

    async def _serve(self, request: Request) -> None:
        try:
            await self._handler(request)
        finally:
            self._task = None
            self._next()

    def _next(self) -> None:
        if self._transport is None:
            return
        if not self.keep_alive:
            self._linger() if self._discarding else self._transport.close()
        elif self._waiting:
            self._start(self._waiting.popleft())
            self._transport.resume_reading()
        else:
            self.due = self._loop.time() + self._limits.idle_s

    def _linger(self) -> None:
        if self._transport is not None:
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self.due = self._loop.time() + _LINGER_S
