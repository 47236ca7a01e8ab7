"""The connections to one's own model servers: kept for the next request, bounded in number, as a transport of httpx.

httpx's usual transport makes a cancel scope for every read, parses in Python, and hands each piece through six
generators; docs/architecture.md says what a chat costs without them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx2
from aiohappyeyeballs import start_connection

from src.errors import ArchonError, ProviderTimeout

from .address import Address
from .connection import Connection, IdleConnections, Reply

T = TypeVar("T")
MAX_CONNECTIONS = 256
_MAX_IDLE = 64
_STAGGER_S = 0.25
"""How long one address of a host is waited for before the next one is tried beside it (RFC 8305)."""
_FORBIDDEN = re.compile(rb"[\x00\r\n]")
PIECES = "archon.pieces"
"""The extension of a response that has its `Pieces`, for those who read it without httpx's layers."""


class Pieces(httpx2.AsyncByteStream):
    """The body of an answer, piece by piece as it comes. Closing it before its end stops the work on the server."""

    def __init__(self, request: httpx2.Request, reply: Reply, line: _Line, within_s: float | None) -> None:
        self._request = request
        self._reply = reply
        self._line = line
        self._within_s = within_s
        self._closed = False

    async def next(self) -> bytes:
        """What has come since the last call; b'' at the end. Raises httpx2.ReadTimeout, ReadError."""
        return await _within(self._reply, self._within_s, self._reply.piece(), self._request)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.next():
            yield piece

    async def aclose(self) -> None:
        """Give the connection back; one whose answer is not whole is closed."""
        if not self._closed:
            self._closed = True
            self._line.take_back(self._reply.connection)


@dataclass(eq=False)
class _Line:
    """The connections to one server; those that are idle are kept, the latest last."""

    address: Address
    label: str
    places: asyncio.Semaphore
    heard: bool = False
    idle: IdleConnections = field(default_factory=IdleConnections)

    async def connection(self, tls: ssl.SSLContext, timeouts: dict[str, float | None]) -> Connection:
        """A connection for one request. Raises httpx2.PoolTimeout, ConnectTimeout, ConnectError."""
        try:
            async with asyncio.timeout(timeouts.get("pool")):
                await self.places.acquire()
        except TimeoutError as error:
            raise httpx2.PoolTimeout("All connections stayed busy") from error
        try:
            return self.idle.take() or await self._connected(tls, timeouts.get("connect"))
        except BaseException:
            self.places.release()
            raise

    def take_back(self, connection: Connection) -> None:
        """The request is over."""
        self.places.release()
        if connection.reusable() and len(self.idle) < _MAX_IDLE:
            self.idle.put(connection)
        else:
            connection.abort()

    async def _connected(self, tls: ssl.SSLContext, within_s: float | None) -> Connection:
        loop = asyncio.get_running_loop()
        host, port, secure = self.address.host, self.address.port, self.address.scheme == "https"
        context, name = (tls, host) if secure else (None, None)
        try:
            async with asyncio.timeout(within_s):
                if _is_number(host):  # there is nothing to look up, and nothing to choose from
                    _, connection = await loop.create_connection(
                        lambda: Connection(loop, self), host, port, ssl=context, server_hostname=name
                    )
                    return connection
                addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                connected = await start_connection(addresses, happy_eyeballs_delay=_STAGGER_S)
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, self), sock=connected, ssl=context, server_hostname=name
                )
                return connection
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error


class Connections:
    """Those to all servers of one event loop."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)
        self._lines: dict[tuple[str, bytes, int | None], _Line] = {}

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to `request`, as soon as its head has come; its body comes as `Pieces`.

        Raises:
            httpx2.TransportError: what httpx's own transport would raise.
        """
        body = await request.aread()
        head = _head(request, len(body))
        timeouts = request.extensions.get("timeout") or {}
        line = self._line(request.url)
        connection = await line.connection(self._tls, timeouts)
        reply = connection.send(head, body, streaming=True)
        pieces = Pieces(request, reply, line, timeouts.get("read"))
        try:
            await _within(reply, timeouts.get("read"), reply.head(), request)
        except BaseException:
            await pieces.aclose()
            raise
        return httpx2.Response(reply.status, headers=reply.headers, stream=pieces, extensions={PIECES: pieces})

    def close(self) -> None:
        """Close every connection that is idle; one in use ends with its request."""
        for line in self._lines.values():
            line.idle.close()
        self._lines.clear()

    def _line(self, url: httpx2.URL) -> _Line:
        key = (url.scheme, url.raw_host, url.port)
        line = self._lines.get(key)
        if line is None:
            if url.scheme not in ("http", "https") or not url.host:
                raise httpx2.UnsupportedProtocol(f"No way to a server by {url.scheme[:20]!r}")
            name = url.raw_host.decode("ascii")
            host = f"[{name}]" if ":" in name else name
            address = Address(f"{url.scheme}://{host}" + (f":{url.port}" if url.port else ""))
            line = self._lines[key] = _Line(address, f"{address.host}:{address.port}", self._places)
        return line


def _head(request: httpx2.Request, size: int) -> bytes:
    """The request's head. Raises httpx2.LocalProtocolError where it would not be one."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"transfer-encoding"]
    if len(headers) < len(request.headers.raw):  # the body is here whole
        headers.append((b"Content-Length", b"%d" % size))
    lines += [b"%b: %b" % pair for pair in headers]
    if any(_FORBIDDEN.search(line) for line in lines):
        raise httpx2.LocalProtocolError("A header holds a line break")
    return b"\r\n".join((*lines, b"", b""))


async def _within(reply: Reply, seconds: float | None, wait: Awaitable[T], request: httpx2.Request) -> T:
    """What `wait` for `reply` gives; None seconds: however long it takes. Raises httpx2.ReadTimeout, ReadError."""
    timer = None if seconds is None else reply.connection.loop.call_later(seconds, reply.expire)
    try:
        return await wait
    except ProviderTimeout as error:
        raise httpx2.ReadTimeout(error.message, request=request) from error
    except ArchonError as error:
        raise httpx2.ReadError(error.message, request=request) from error
    finally:
        if timer is not None:
            timer.cancel()


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
