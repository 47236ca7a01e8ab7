"""The first steps of a connection, one by one: name, TCP, TLS. Each fails with its own error."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace

from src.errors import ConnectTimeout, DnsFailure, ErrorContext

from .address import Address
from .check_report import Step
from .pool import CONNECT_S, tls_context
from .transport_failures import connection_error, remedy, tls_error


async def reach(address: Address, context: ErrorContext) -> AsyncIterator[tuple[Step, str]]:
    """Resolve, connect and, for https, shake hands; a sentence for each step as soon as it went well.

    Raises:
        DnsFailure, ConnectTimeout, ConnectionRefused, ProviderUnavailable, TlsFailure: the step that failed.
    """
    numbers = await _resolve(address, context)
    yield "name", f"{address.host} is {', '.join(numbers)}."
    await _open(address, numbers, context, None)
    yield "connect", f"Something listens on port {address.port}."
    if address.scheme == "https":
        await _open(address, numbers, context, tls_context())
        yield "tls", "The certificate is trusted."


async def listens(address: Address, timeout_s: float = 0.5) -> bool:
    """Whether something accepts connections there."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _resolve(address: Address, context: ErrorContext) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_S):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise DnsFailure(
            f"The host name {address.host} cannot be resolved", next_step=context.remedy, context=context
        ) from error
    except TimeoutError as late:
        raise DnsFailure(f"The name server did not answer for {address.host}", context=context) from late
    return list(dict.fromkeys(str(one[4][0]) for one in found[:4]))


async def _open(address: Address, numbers: list[str], context: ErrorContext, tls: ssl.SSLContext | None) -> None:
    """Connect to the first of the host's `numbers` that answers."""
    where = f"{address.host}:{address.port}"
    failures: list[OSError] = []
    for number in numbers:
        try:
            await _handshake(number, address, tls)
        except ssl.SSLError as error:
            raise tls_error(error, where, context) from error
        except TimeoutError as late:
            raise ConnectTimeout(
                f"No connection to {where} within {CONNECT_S:g} s",
                next_step=remedy(replace(context, url=address.root)),
                context=context,
            ) from late
        except OSError as error:
            failures.append(error)
        else:
            return
    raise connection_error(failures, where, context) from failures[0]


async def _handshake(number: str, address: Address, tls: ssl.SSLContext | None) -> None:
    server_name = address.host if tls else None
    async with asyncio.timeout(CONNECT_S):
        _, writer = await asyncio.open_connection(number, address.port, ssl=tls, server_hostname=server_name)
    writer.close()
