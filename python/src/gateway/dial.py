"""The connections to one server: made, kept for the next request, and closed to stop the work."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

from src.errors import (
    ArchonError,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailure,
    ErrorContext,
    Overloaded,
    ProviderUnavailable,
)
from src.inference.address import Address
from src.inference.connection import Connection, IdleConnections, Reply
from src.inference.transport_failures import tls_error

from .deadlines import Deadlines

_OUR_OWN_FAULT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


class OwnLimit(Overloaded):
    """This process ran out of something (open files, ports): it says nothing about any server."""


class Dialer:
    """The connections to one server. `heard`: something came for a client's request since it was last reset."""

    def __init__(
        self, address: Address, label: str, deadlines: Deadlines, connect_s: float, tls: ssl.SSLContext | None = None
    ) -> None:
        self.address = address
        self.label = label
        self.connect_s = connect_s
        self.opened = 0
        self.heard = False
        self._deadlines = deadlines
        self._idle = IdleConnections()
        self._live: set[Connection] = set()
        self._ssl = (tls or ssl.create_default_context()) if address.scheme == "https" else None

    async def send(
        self, head: bytes, body: bytes, *, within_s: float, streaming: bool, fresh: bool = False, probe: bool = False
    ) -> Reply:
        """Send and return at once; `within_s` bounds the wait for the head of the answer. A probe has one of its own.

        Raises:
            ProviderUnavailable, ConnectTimeout: no connection could be made.
        """
        connection = None if fresh or probe else self._idle.take()
        if connection is None:
            connection = await self._connect()
            connection.is_probe = probe
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
            self._idle.put(connection)
        else:
            connection.abort()

    def fail_all(self, error: ArchonError) -> None:
        """End every wait on this server with `error`: it will not answer any more."""
        for connection in list(self._live):
            if connection.reply is not None:
                connection.reply.fail(error)

    def close(self) -> None:
        """Close what is idle; what is in use ends by itself."""
        self._idle.close()

    def open_connections(self) -> int:
        """Connections in use and idle ones."""
        return len(self._live) + len(self._idle)

    def close_idle(self, now: float) -> None:
        """Close connections idle for longer than `KEEP_IDLE_S` (the oldest stand first)."""
        self._idle.close_old(now)

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
