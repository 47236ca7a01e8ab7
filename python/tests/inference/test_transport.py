"""What goes wrong before a byte is sent: names, ports, packets, certificates."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl

import httpx2
import pytest
import trustme

from src.errors import (
    ArchonError,
    ConfigurationError,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailure,
    ErrorContext,
    ProtocolError,
    TlsFailure,
)
from src.inference.chat import ProviderChatModel
from src.inference.client import Deadlines
from src.inference.models import ChatMessage, ChatOptions
from src.inference.pool import ServerPool
from src.inference.retry import NO_RETRIES
from src.inference.transport_failures import error_from_transport
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply, running

SHORT = Deadlines(connect_s=0.3, first_event_s=0.5, gap_s=0.3, total_s=2.0)


async def ask(url: str) -> None:
    active = chosen("llm", VLLM_BASE_URL=url, VLLM_CHAT_MODEL="m", VLLM_API_KEY="sekret")
    model = ProviderChatModel(active, deadlines=SHORT, policy=NO_RETRIES)
    async for _ in model.stream([ChatMessage("user", "Hi")], ChatOptions()):
        pass


def tls_server(**certificate: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1", **certificate).configure_cert(context)  # type: ignore[arg-type]
    return context


async def test_a_port_without_a_server_is_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionRefused, match=f"127.0.0.1:{port}"):
        await ask(f"http://127.0.0.1:{port}")


async def test_a_name_that_does_not_exist_is_a_dns_failure() -> None:
    with pytest.raises(DnsFailure, match="no-such-host"):
        await ask("http://no-such-host.invalid:8000")


async def test_packets_that_are_dropped_are_a_connect_timeout() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        with pytest.raises(ConnectTimeout):
            await ask(f"http://127.0.0.1:{address[1]}")
        for one in waiting:
            one.close()


async def test_a_self_signed_certificate_is_said_to_be_one() -> None:
    async with running(tls_server()) as server:
        with pytest.raises(TlsFailure, match="authority") as caught:
            await ask(server.url)
    assert "SSL_CERT_FILE" in caught.value.next_step


async def test_an_expired_certificate_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    authority.issue_cert("127.0.0.1", not_after=past).configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with running(context) as server, httpx2.AsyncClient(verify=trusting) as client:
        with pytest.raises(httpx2.ConnectError) as caught:
            await client.get(server.url)
    assert "expired" in error_from_transport(caught.value, ErrorContext(url=server.url)).message


async def test_https_to_a_server_without_tls_says_so(server: ModelServer) -> None:
    with pytest.raises(TlsFailure, match="speaks no TLS") as caught:
        await ask(server.url.replace("http:", "https:"))
    assert "http://" in caught.value.next_step


async def test_an_answer_without_end_is_not_read_to_its_end(server: ModelServer) -> None:
    server.on("/v1/models", Reply(200, b"x" * 20_000))
    pool = ServerPool(max_answer_bytes=10_000)
    async with httpx2.AsyncClient(transport=pool) as client:
        with pytest.raises(httpx2.DecodingError) as caught:
            await client.get(f"{server.url}/v1/models")
    await pool.shut()
    assert isinstance(error_from_transport(caught.value, ErrorContext(url=server.url)), ProtocolError)


async def test_a_key_with_a_line_break_is_never_sent(server: ModelServer) -> None:
    with pytest.raises(ConfigurationError) as caught:
        chosen("llm", VLLM_BASE_URL=server.url, VLLM_API_KEY="sekret\r\nX-Evil: 1")
    assert caught.value.context.field == "VLLM_API_KEY"
    assert server.requests == []


async def test_clients_may_be_closed_without_closing_the_shared_connections(server: ModelServer) -> None:
    await asyncio.gather(*(ask(server.url) for _ in range(3)))
    await ask(server.url)
    assert len(server.asked("/v1/chat/completions")) == 4


def test_every_transport_exception_has_a_class_of_ours() -> None:
    kinds = [
        kind for kind in vars(httpx2).values() if isinstance(kind, type) and issubclass(kind, httpx2.TransportError)
    ]
    errors = [error_from_transport(kind("x"), ErrorContext(url="http://h:1")) for kind in kinds]
    assert all(isinstance(error, ArchonError) and error.code != "internal" for error in errors)
    assert len(kinds) > 10
