"""One connection to a model server, of the gateway's and of our own: HTTP/1.1 on asyncio's protocols, parsed by llhttp.

Measured against aiohttp and pyreqwest on the same proxy it costs the least per request, and it shows what they hide:
whether a byte of the answer has come, when the last one came, and how to stop the work at once (close the socket).
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections import deque
from collections.abc import Callable
from typing import Protocol

import httptools

from src.errors import ArchonError, ConnectionBroken, ErrorContext, FirstByteTimeout, ProtocolError

from .address import Address
from .transport_failures import tls_error

HIGH_WATER = 256 * 1024
"""Bytes of an answer that may wait for a slow client before the upstream is no longer read."""

LARGEST_ANSWER = 256 * 1024 * 1024
"""Bytes of a plain answer, which is held whole; more is no answer any server gives."""

_LARGEST_HEAD = 256 * 1024
"""Bytes that may come before the head of an answer is whole."""

_TURNED_AWAY = (
    "Look at the server's log; some servers also turn those away like this who lack a client certificate (client_cert)."
)

KEEP_IDLE_S = 4.0
"""vLLM closes idle connections after 5.0 s; a connection that is idle for longer than this is not used again."""

RawHeaders = list[tuple[bytes, bytes]]


class Stale(ConnectionBroken):
    """A kept connection was closed by the server as the request went out: nothing was answered, send it anew."""


class Line(Protocol):
    """What connections to one server have in common. `heard`: something came for a client's request."""

    address: Address
    label: str
    heard: bool


class Reply:
    """One answer as it comes in. One reader at a time; `due` bounds the present wait (the loop's clock)."""

    __slots__ = (
        "_held",
        "_size",
        "_waiter",
        "bytes_seen",
        "complete",
        "connection",
        "due",
        "error",
        "head_complete",
        "headers",
        "sink",
        "status",
        "timeout",
    )  # fmt: skip

    def __init__(self, connection: Connection) -> None:
        self.status = 0
        self.headers: RawHeaders = []
        self.head_complete = False
        self.complete = False
        self.bytes_seen = False
        self.error: ArchonError | None = None
        self.due = math.inf
        self.timeout: type[ArchonError] = FirstByteTimeout
        self.sink: Callable[[bytes], bool] | None = None
        self._held: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self.connection = connection

    def header(self, name: bytes) -> bytes:
        """The first header called `name` (lower case); b'' when there is none."""
        for key, value in self.headers:
            if key == name:
                return value
        return b""

    async def whole(self) -> bytes:
        """The body, when all of it has come.

        Raises:
            ConnectionBroken: the connection ended before the body did.
            ProviderTimeout: `due` passed.
        """
        while not self.complete:
            await self._wait()
        body = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        return body

    async def head(self) -> None:
        """Return when status and headers have come. Raises as `whole` does."""
        while not self.head_complete:
            await self._wait()

    async def piece(self) -> bytes:
        """What has come since the last call, at least one byte; b'' at the end. Raises as `whole` does."""
        while not self._held:
            if self.complete:
                return b""
            await self._wait()
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self._size = 0
        self.connection.resume()
        return data

    async def flow_into(self, sink: Callable[[bytes], bool]) -> bool:
        """Hand `sink` what comes at the moment it comes, until it returns False: then this returns True.

        Returns False at the end of the answer. Raises as `whole` does. Waking a task for every piece would cost more
        than all that is done with the piece.
        """
        if self._held and not sink(await self.piece()):
            return True
        self.sink = sink
        try:
            while self.sink is not None and not self.complete:
                await self._wait()
            return self.sink is None or bool(self._held)
        finally:
            self.sink = None

    def waiting_bytes(self) -> bytes:
        """What has come and nobody has read."""
        return b"".join(self._held)

    def expire(self) -> None:
        """The deadline of the present wait has passed."""
        self.fail(self.timeout(f"{self.connection.label} did not answer in time."))

    def fail(self, error: ArchonError) -> None:
        """End the wait with `error`; the first error stays."""
        if self.error is None and not self.complete:
            self.error = error
            self._wake()

    def feed(self, data: bytes, *, bounded: bool) -> None:
        if self.sink is not None:
            if not self.sink(data):
                self.sink = None
                self._wake()
            return
        self._held.append(data)
        self._size += len(data)
        if bounded and self._size > HIGH_WATER:
            self.connection.pause()
        elif self._size > LARGEST_ANSWER:
            self.fail(ProtocolError(f"{self.connection.label} answered more than {LARGEST_ANSWER} bytes."))
            self.connection.abort()
        self._wake()

    def end(self) -> None:
        self.complete = True
        self._wake()

    def head_ended(self) -> None:
        self.head_complete = True
        self._wake()

    async def _wait(self) -> None:
        """Return when something has come; what came before an error is read before the error is raised."""
        if self.error is None:
            self._waiter = self.connection.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
            if self._held or self.complete:
                return
        self._raise()

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """One connection to a server; carries one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, line: Line) -> None:
        self.loop = loop
        self.label = line.label
        self.is_probe = False
        self._line = line
        self.reply: Reply | None = None
        self.idle_since = 0.0
        self.used = False
        self.closed = False
        self._streaming = False
        self._framed = False
        self._paused = False
        self._transport: asyncio.Transport | None = None
        self._head_size = 0
        self._body: list[bytes] = []
        self.on_body = self._body.append  # called by llhttp for every chunk: a list's own method costs the least
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, head: bytes, body: bytes, *, streaming: bool) -> Reply:
        """Send a request whose head ends in an empty line; `streaming` bounds what waits unread."""
        reply = Reply(self)
        self.reply = reply
        self._streaming = streaming
        self._head_size = 0
        if self._transport is None or self.closed:
            reply.fail(Stale(f"{self.label} closed the connection."))
        else:
            self._transport.write(head + body)
        return reply

    def reusable(self) -> bool:
        """Whether the answer ended cleanly and the server keeps the connection."""
        return not self.closed and self.reply is not None and self.reply.complete and self._keeps

    def abort(self) -> None:
        """Close at once: this is how the work on the server is stopped."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        reply = self.reply
        if reply is None or reply.complete:
            # bytes nobody asked for: the connection cannot be trusted any more
            self.abort()
            return
        reply.bytes_seen = True
        self._line.heard = self._line.heard or not self.is_probe
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._hand_over(reply)
            reply.fail(ProtocolError(f"{self.label} answered something that is not HTTP ({error})."))
            self.abort()
            return
        if not reply.head_complete:
            self._head_size += len(data)
            if self._head_size > _LARGEST_HEAD:
                reply.fail(ProtocolError(f"The head of what {self.label} answered has no end."))
                self.abort()
        self._hand_over(reply)

    def _hand_over(self, reply: Reply) -> None:
        body = self._body
        if body:
            piece = body[0] if len(body) == 1 else b"".join(body)
            body.clear()
            reply.feed(piece, bounded=self._streaming)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        reply = self.reply
        if reply is None or reply.complete:
            return
        if exc is None and reply.head_complete and not self._framed:
            reply.end()
        elif isinstance(exc, ssl.SSLError):
            # TLS 1.3 tells a client that it lacks a certificate only after the handshake
            refused = tls_error(exc, self.label, ErrorContext(url=self._line.address.root))
            refused.__cause__ = exc
            reply.fail(refused)
        elif not reply.bytes_seen and self.used:
            reply.fail(Stale(f"{self.label} closed the connection."))
        else:
            step = _TURNED_AWAY if self._line.address.scheme == "https" and not reply.bytes_seen else None
            reply.fail(
                ConnectionBroken(f"{self.label} broke the connection before the answer was whole.", next_step=step)
            )

    # What llhttp calls.
    def on_message_begin(self) -> None:
        self._framed = False
        self._keeps = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._framed = True
        if self.reply is not None:
            self.reply.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self.reply is None:
            return
        if status < 200:
            self.reply.headers.clear()
            return
        self.reply.status = status
        self._keeps = self._parser.should_keep_alive()
        self.reply.head_ended()

    def on_message_complete(self) -> None:
        if self.reply is not None and self.reply.head_complete:
            self.reply.end()

    _keeps = False


class IdleConnections:
    """Connections to one server that wait for their next request, the latest last."""

    def __init__(self) -> None:
        self._kept: deque[Connection] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def take(self) -> Connection | None:
        """The latest that can still be used; None where there is none."""
        while self._kept:
            connection = self._kept.pop()
            if not connection.closed and connection.loop.time() - connection.idle_since <= KEEP_IDLE_S:
                connection.used = True
                return connection
            connection.abort()
        return None

    def put(self, connection: Connection) -> None:
        """Keep one that is `reusable`."""
        connection.resume()
        connection.idle_since = connection.loop.time()
        self._kept.append(connection)

    def close_old(self, now: float) -> None:
        """Close those idle for longer than `KEEP_IDLE_S` (the oldest stand first)."""
        while self._kept and (self._kept[0].closed or now - self._kept[0].idle_since > KEEP_IDLE_S):
            self._kept.popleft().abort()

    def close(self) -> None:
        """Close all of them."""
        while self._kept:
            self._kept.pop().abort()
