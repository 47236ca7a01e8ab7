"""How bytes reach model servers: over asyncio's own transports, taken as they come.

httpcore's usual backend makes a cancel scope, and stops and starts the transport, for every read: a fifth of all the
processor time of an answer on its way.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import httpcore2
from aiohappyeyeballs import start_connection

_HIGH_WATER = 256 * 1024
"""Bytes that wait to be read before the server is held back."""
_STAGGER_S = 0.25
"""How long one address of a host is waited for before the next one is tried beside it (RFC 8305)."""


class DirectBackend(httpcore2.AsyncNetworkBackend):
    """Makes connections over TCP."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to the first address of `host` that takes one; the last two arguments are not used.

        Raises ConnectTimeout, ConnectError.
        """
        loop = asyncio.get_running_loop()
        with _raising(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            async with asyncio.timeout(timeout):
                if _is_address(host):  # there is nothing to look up, and nothing to choose from
                    _, stream = await loop.create_connection(DirectStream, host, port)
                    return stream
                addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                connected = await start_connection(addresses, happy_eyeballs_delay=_STAGGER_S)
                _, stream = await loop.create_connection(DirectStream, sock=connected)
        return stream


class DirectStream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One connection; it is read by one task at a time."""

    def __init__(self) -> None:
        self._received: deque[bytes] = deque()
        self._unread = 0
        self._held_back = False
        self._ended = False
        self._failure: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # By name only: uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self._unread += len(data)
        if self._unread > _HIGH_WATER and not self._held_back:
            self._held_back = True
            self._opened.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> None:
        self._ended = True
        _wake(self._reader)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._failure = exc
        _wake(self._reader)
        self.resume_writing()

    def pause_writing(self) -> None:
        self._writer = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        _wake(self._writer)
        self._writer = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, waited for where nothing has; empty at the end. Raises ReadTimeout, ReadError."""
        if not self._received and not self._ended:
            with _raising(httpcore2.ReadTimeout, httpcore2.ReadError):
                await self._more(timeout)
        if self._received:
            return self._taken(max_bytes)
        if self._failure is not None:
            raise httpcore2.ReadError(str(self._failure)) from self._failure
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send, and wait while the server takes no more. Raises WriteTimeout, WriteError.

        What is written without a pause goes out as one: the head of a request and its body wake the server once.
        """
        with _raising(httpcore2.WriteTimeout, httpcore2.WriteError):
            if self._opened.is_closing():
                raise ConnectionResetError("the connection is closed") from self._failure
            if not self._unsent:
                asyncio.get_running_loop().call_soon(self._send)
            self._unsent.append(buffer)
            if self._writer is not None:
                async with asyncio.timeout(timeout):
                    await self._writer

    async def aclose(self) -> None:
        """Close at once; what the server did not take is given up."""
        self._unsent.clear()
        if self._writer is not None:
            self._opened.abort()
        self._opened.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """The same connection, encrypted; closed where that fails. Raises ConnectTimeout, ConnectError."""
        secured = DirectStream()
        try:
            with _raising(httpcore2.ConnectTimeout, httpcore2.ConnectError):
                async with asyncio.timeout(timeout):
                    secured._transport = await asyncio.get_running_loop().start_tls(
                        self._opened, secured, ssl_context, server_hostname=server_hostname
                    )
        except BaseException:
            self._opened.abort()
            raise
        return secured

    def get_extra_info(self, info: str) -> object:
        """`is_readable`: whether the server ended the connection, or sent what nobody asked for."""
        if info == "is_readable":
            return self._ended or bool(self._received)
        return self._opened.get_extra_info(info)

    def _send(self) -> None:
        parts, self._unsent = self._unsent, []
        if parts and not self._opened.is_closing():
            self._opened.write(b"".join(parts))

    @property
    def _opened(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101 - nobody gets a stream before its connection is made
        return self._transport

    async def _more(self, within_s: float | None) -> None:
        """Wait until something came, or the end. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        self._reader = loop.create_future()
        timer = None if within_s is None else loop.call_later(within_s, _late, self._reader)
        try:
            await self._reader
        finally:
            self._reader = None
            if timer is not None:
                timer.cancel()

    def _taken(self, most: int) -> bytes:
        part = self._received.popleft()
        if len(part) > most:
            self._received.appendleft(part[most:])
            part = part[:most]
        self._unread -= len(part)
        if self._held_back and self._unread <= _HIGH_WATER // 2:
            self._held_back = False
            self._opened.resume_reading()
        return part


@contextmanager
def _raising(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """What the operating system raises, as httpcore's errors; those that are already are left alone."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


def _late(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_exception(TimeoutError())
