"""Connections to model servers: TLS on the server's own event loop, a fast server held back, silence and ends told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import httpcore2
import pytest
import trustme
import uvloop

from src.inference.network import DirectBackend, DirectStream

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def connected(serve: Serve, tls: ssl.SSLContext | None = None) -> tuple[asyncio.Server, DirectStream]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    stream = await DirectBackend().connect_tcp("localhost", server.sockets[0].getsockname()[1], timeout=10)
    assert isinstance(stream, DirectStream)
    return server, stream


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    writer.close()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_is_sent_over_tls_comes_back(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    authority.issue_cert("localhost").configure_cert(theirs)

    async def talk() -> bytes:
        server, plain = await connected(echo, theirs)
        async with server:
            stream = await plain.start_tls(ours, "localhost", timeout=10)
            await stream.write(b"Hi\n", timeout=10)
            said = await stream.read(100, timeout=10) + await stream.read(100, timeout=10)
            await stream.aclose()
            return said

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(talk()) == b"Hi\n"


async def test_a_server_that_says_nothing_is_late() -> None:
    over = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server, stream = await connected(silent)
    async with server:
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(100, timeout=0.05)
        over.set()
        assert await stream.read(100, timeout=10) == b""
        assert stream.get_extra_info("is_readable")
        await stream.aclose()


class HeldTransport(asyncio.Transport):
    """Remembers whether it was asked to stop reading."""

    is_held = False

    def pause_reading(self) -> None:
        self.is_held = True

    def resume_reading(self) -> None:
        self.is_held = False


async def test_a_server_faster_than_its_reader_is_held_back() -> None:
    transport, stream = HeldTransport(), DirectStream()
    stream.connection_made(transport)
    for _ in range(10):
        stream.data_received(bytes(64 * 1024))
    assert transport.is_held
    read = 0
    while transport.is_held:
        read += len(await stream.read(1000))
    assert read == 8 * 64 * 1024
