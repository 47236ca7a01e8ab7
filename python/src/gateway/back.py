"""The side towards model servers: HTTP/1.1 on asyncio's own protocols, parsed by llhttp (httptools).

Measured against aiohttp and pyreqwest on the same proxy it costs the least per request, and it shows what they hide:
whether a byte of the answer has come, when the last one came, and how to stop the work at once (close the socket).
"""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import ssl
from collections import deque

import httptools

from src.errors import (
    ArchonError,
    ConnectionBroken,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailure,
    ErrorContext,
    FirstByteTimeout,
    Overloaded,
    ProtocolError,
    ProviderUnavailable,
)
from src.inference.address import Address
from src.inference.transport_failures import tls_error

from .deadlines import Deadlines

KEEP_IDLE_S = 4.0
"""vLLM closes idle connections after 5.0 s; a connection older than this is not used again."""
HIGH_WATER = 256 * 1024
"""Bytes of an answer that may wait for a slow client before the upstream is no longer read."""

LARGEST_ANSWER = 256 * 1024 * 1024
"""Bytes of a plain answer, which is held whole; more is no answer any server gives."""
_OUR_OWN_FAULT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})

RawHeaders = list[tuple[bytes, bytes]]


class Stale(ConnectionBroken):
    """A kept connection was closed by the server as the request went out: nothing was answered, send it anew."""


class OwnLimit(Overloaded):
    """This process ran out of something (open files, ports): it says nothing about any server."""


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

    def __init__(self, loop: asyncio.AbstractEventLoop, dialer: Dialer) -> None:
        self.loop = loop
        self.label = dialer.label
        self.is_probe = False
        self._dialer = dialer
        self.reply: Reply | None = None
        self.idle_since = 0.0
        self.used = False
        self.closed = False
        self._streaming = False
        self._framed = False
        self._paused = False
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, head: bytes, body: bytes, *, streaming: bool) -> Reply:
        """Send a request whose head ends in an empty line; `streaming` bounds what waits unread."""
        reply = Reply(self)
        self.reply = reply
        self._streaming = streaming
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
        self._dialer.heard = self._dialer.heard or not self.is_probe
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            reply.fail(ProtocolError(f"{self.label} answered something that is not HTTP ({error})."))
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        reply = self.reply
        if reply is None or reply.complete:
            return
        if exc is None and reply.head_complete and not self._framed:
            reply.end()
        elif not reply.bytes_seen and self.used:
            reply.fail(Stale(f"{self.label} closed the connection."))
        else:
            reply.fail(ConnectionBroken(f"{self.label} broke the connection before the answer was whole."))

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

    def on_body(self, body: bytes) -> None:
        if self.reply is not None:
            self.reply.feed(body, bounded=self._streaming)

    def on_message_complete(self) -> None:
        if self.reply is not None and self.reply.head_complete:
            self.reply.end()

    _keeps = False


class Dialer:
    """The connections to one server. `heard`: something came for a client's request since it was last reset."""

    def __init__(self, address: Address, label: str, deadlines: Deadlines, connect_s: float) -> None:
        self.address = address
        self.label = label
        self.connect_s = connect_s
        self.opened = 0
        self.heard = False
        self._deadlines = deadlines
        self._idle: deque[Connection] = deque()
        self._live: set[Connection] = set()
        self._ssl = ssl.create_default_context() if address.scheme == "https" else None

    async def send(
        self, head: bytes, body: bytes, *, within_s: float, streaming: bool, fresh: bool = False, probe: bool = False
    ) -> Reply:
        """Send and return at once; `within_s` bounds the wait for the head of the answer. A probe has one of its own.

        Raises:
            ProviderUnavailable, ConnectTimeout: no connection could be made.
        """
        connection = None if fresh or probe else self._kept()
        if connection is None:
            connection = await self._connect()
            connection.is_probe = probe
        else:
            connection.used = True
        self._live.add(connection)
        reply = connection.send(head, body, streaming=streaming)
        reply.due = connection.loop.time() + within_s
        self._deadlines.watch(reply)
        return reply

    def done(self, reply: Reply) -> None:
        """Give the connection back; one whose answer is not whole is closed, which stops the work."""
        self._deadlines.forget(reply)
        connection = reply.connection
        self._live.discard(connection)
        if not connection.is_probe and connection.reusable() and connection.reply is reply:
            connection.resume()
            connection.idle_since = connection.loop.time()
            self._idle.append(connection)
        else:
            connection.abort()

    def fail_all(self, error: ArchonError) -> None:
        """End every wait on this server with `error`: it will not answer any more."""
        for connection in list(self._live):
            if connection.reply is not None:
                connection.reply.fail(error)

    def close(self) -> None:
        """Close what is idle; what is in use ends by itself."""
        while self._idle:
            self._idle.pop().abort()

    def open_connections(self) -> int:
        """Connections in use and idle ones."""
        return len(self._live) + len(self._idle)

    def close_idle(self, now: float) -> None:
        """Close connections idle for longer than `KEEP_IDLE_S` (the oldest stand first)."""
        while self._idle and (self._idle[0].closed or now - self._idle[0].idle_since > KEEP_IDLE_S):
            self._idle.popleft().abort()

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and connection.loop.time() - connection.idle_since <= KEEP_IDLE_S:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        address = self.address
        context = ErrorContext(url=address.root)
        try:
            async with asyncio.timeout(self.connect_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, self), address.host, address.port, ssl=self._ssl
                )
        except TimeoutError as error:
            raise ConnectTimeout(
                f"{self.label} did not accept a connection within {self.connect_s:g} s.", context=context
            ) from error
        except ssl.SSLError as error:
            raise tls_error(error, self.label, context) from error
        except socket.gaierror as error:
            raise DnsFailure(f"The host name of {self.label} cannot be resolved.", context=context) from error
        except ConnectionRefusedError as error:
            raise ConnectionRefused(f"No server listens at {self.label}.", context=context) from error
        except OSError as error:
            if error.errno in _OUR_OWN_FAULT:
                raise OwnLimit(
                    f"The gateway itself has no room for another connection ({error.strerror}).",
                    next_step="Raise its limit of open files (ulimit -n), or send fewer requests at once.",
                    context=ErrorContext(retry_after_s=1.0),
                ) from error
            raise ProviderUnavailable(f"{self.label} cannot be reached: {error}", context=context) from error
        self.opened += 1
        return connection
