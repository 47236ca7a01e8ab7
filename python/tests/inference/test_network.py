"""Connections to model servers: kept and given back, closed to stop the work, held back; no head is ever forged."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
import trustme
import uvloop

from src.inference.address import Address
from src.inference.connection import Connection, Reply
from src.inference.network import Connections

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHi"
TIMEOUTS = {"timeout": {"connect": 10.0, "read": 10.0, "write": 10.0, "pool": 10.0}}


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"{'https' if tls else 'http'}://localhost:{server.sockets[0].getsockname()[1]}"


async def read_head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def post(url: str, **more: object) -> httpx2.Request:
    return httpx2.Request("POST", url, extensions=TIMEOUTS, **more)  # type: ignore[arg-type]


async def answer(connections: Connections, request: httpx2.Request) -> bytes:
    response = await connections.send(request)
    body = await response.aread()
    await response.aclose()
    return body


class Counting:
    """Answers every request, and counts connections and the parts in which requests came."""

    def __init__(self, reply: bytes = OK) -> None:
        self.connections = 0
        self.parts: list[bytes] = []
        self._reply = reply

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while part := await reader.read(100_000):
            self.parts.append(part)
            writer.write(self._reply)
        writer.close()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_is_asked_over_tls_is_answered(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    authority.issue_cert("localhost").configure_cert(theirs)

    async def talk() -> bytes:
        async with serving(Counting(), theirs) as url:
            connections = Connections(ours)
            body = await answer(connections, post(url, content=b"x"))
            connections.close()
            return body

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(talk()) == b"Hi"


async def test_a_connection_serves_one_request_after_another_and_each_goes_out_as_one() -> None:
    counting, connections = Counting(), Connections(ssl.create_default_context())
    async with serving(counting) as url:
        for _ in range(3):
            assert await answer(connections, post(url, json={"a": 1})) == b"Hi"
        assert (counting.connections, len(counting.parts)) == (1, 3)
        await asyncio.gather(*(answer(connections, post(url, json={"a": 1})) for _ in range(3)))
        assert counting.connections == 3
        connections.close()


async def test_a_body_that_comes_bit_by_bit_is_sent_whole_with_its_length() -> None:
    counting, connections = Counting(), Connections(ssl.create_default_context())

    async def bits() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with serving(counting) as url:
        assert await answer(connections, post(url, content=bits())) == b"Hi"
        connections.close()
    head, _, body = counting.parts[0].partition(b"\r\n\r\n")
    assert b"content-length: 7" in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert body == b"one two"


async def test_an_answer_that_is_not_read_to_its_end_is_stopped() -> None:
    gone = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nHi\r\n")
        while await reader.read(100):
            pass
        gone.set()
        writer.close()

    connections = Connections(ssl.create_default_context())
    async with serving(endless) as url:
        response = await connections.send(post(url))
        assert await anext(response.aiter_bytes()) == b"Hi"
        await response.aclose()
        await asyncio.wait_for(gone.wait(), 30)


async def test_a_server_that_says_nothing_is_late() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    request = httpx2.Request("POST", "http://x", extensions={"timeout": {"read": 0.05}})
    connections = Connections(ssl.create_default_context())
    async with serving(silent) as url:
        request.url = httpx2.URL(url)
        with pytest.raises(httpx2.ReadTimeout):
            await connections.send(request)


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        writer.close()

    connections = Connections(ssl.create_default_context())
    async with serving(closing) as url:
        assert await answer(connections, post(url)) == b"all of it"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"", httpx2.ReadError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHi", httpx2.ReadError),
        (b"SSH-2.0-OpenSSH_9.2\r\n", httpx2.ReadError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000, httpx2.ReadError),
    ],
    ids=["nothing", "less than was announced", "another protocol", "a head without end"],
)
async def test_what_is_no_whole_answer_is_an_error(said: bytes, kind: type[Exception]) -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(said)
        writer.close()

    connections = Connections(ssl.create_default_context())
    async with serving(odd) as url:
        with pytest.raises(kind):
            await answer(connections, post(url))


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"])
async def test_a_header_that_would_become_two_is_never_sent(value: str) -> None:
    counting, connections = Counting(), Connections(ssl.create_default_context())
    async with serving(counting) as url:
        request = post(url)
        request.headers["Authorization"] = value
        with pytest.raises(httpx2.LocalProtocolError):
            await connections.send(request)
    assert counting.parts == []


async def test_a_place_that_was_not_used_is_free_again() -> None:
    connections = Connections(ssl.create_default_context())
    request = httpx2.Request("POST", "http://127.0.0.1:1", extensions=TIMEOUTS)
    for _ in range(300):
        with pytest.raises(httpx2.ConnectError):
            await connections.send(request)


class HeldTransport(asyncio.Transport):
    """Remembers whether it was asked to stop reading."""

    is_held = False

    def pause_reading(self) -> None:
        self.is_held = True

    def resume_reading(self) -> None:
        self.is_held = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Nobody listens."""


class NoLine:
    """A server that nobody asked."""

    label, heard = "a server", False
    address = Address("http://a")


async def test_a_server_faster_than_its_reader_is_held_back() -> None:
    transport, connection = HeldTransport(), Connection(asyncio.get_running_loop(), NoLine())
    connection.connection_made(transport)
    reply: Reply = connection.send(b"GET / HTTP/1.1\r\n\r\n", b"", streaming=True)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(10):
        connection.data_received(bytes(64 * 1024))
    assert transport.is_held
    assert len(await reply.piece()) == 10 * 64 * 1024
    assert not transport.is_held
