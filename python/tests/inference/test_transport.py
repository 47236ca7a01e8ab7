"""What goes wrong before a byte is sent: names, ports, packets, certificates; for chat, stream and embeddings alike."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import openai
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
from src.inference.client import Deadlines, make_client
from src.inference.embed_batches import EmbedPlan, embed_texts
from src.inference.embed_posts import plain_post
from src.inference.models import ChatMessage, ChatOptions
from src.inference.pacing import Pacing
from src.inference.pool import ServerPool, close_pool, tls_context
from src.inference.provider import Endpoint, Service
from src.inference.retry import NO_RETRIES, RetryBudget
from src.inference.sdk_errors import typed_sdk_error
from src.inference.transport_failures import error_from_transport
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply, running

PATIENT = Deadlines(connect_s=30.0, first_event_s=30.0, gap_s=30.0, total_s=60.0)
SHORT = Deadlines(connect_s=0.3, first_event_s=30.0, gap_s=30.0, total_s=60.0)
"""For the test that is about connecting."""


Ask = Callable[[str, Deadlines], Awaitable[None]]


async def plain_chat(url: str, deadlines: Deadlines = PATIENT) -> None:
    endpoint = Endpoint(base_url=f"{url}/v1", api_key="sekret")
    context = ErrorContext(provider="vllm", operation="chat", url=endpoint.base_url)
    async with make_client(endpoint, deadlines=deadlines) as client:
        try:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        except openai.OpenAIError as error:
            raise typed_sdk_error(error, context) from error


async def streamed_chat(url: str, deadlines: Deadlines = PATIENT) -> None:
    active = chosen("llm", VLLM_BASE_URL=url, VLLM_CHAT_MODEL="m", VLLM_API_KEY="sekret")
    model = ProviderChatModel(active, deadlines=deadlines, policy=NO_RETRIES)
    async for _ in model.stream([ChatMessage("user", "Hi")], ChatOptions()):
        pass


async def vectors(url: str, deadlines: Deadlines = PATIENT) -> None:
    active = chosen("embedding", VLLM_BASE_URL=url, VLLM_EMBEDDING_MODEL="m", VLLM_API_KEY="sekret")
    post = plain_post(make_client(active.endpoint, deadlines=deadlines), "m", None, ErrorContext())
    plan = EmbedPlan(policy=NO_RETRIES, context=ErrorContext(provider="vllm", operation="embed"))
    [outcome] = await embed_texts(["Hi"], post, plan=plan, pacing=Pacing(), budget=RetryBudget())
    if outcome.error is not None:
        raise outcome.error


for_each_use = pytest.mark.parametrize("ask", [plain_chat, streamed_chat, vectors])


@pytest.fixture
async def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[trustme.CA]:
    """An authority that this process trusts, as a person makes it: SSL_CERT_FILE."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls_context.cache_clear()
    yield authority
    tls_context.cache_clear()
    await close_pool()


def tls_server(**certificate: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1", **certificate).configure_cert(context)  # type: ignore[arg-type]
    return context


@for_each_use
async def test_a_port_without_a_server_is_refused(ask: Ask) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionRefused, match=f"127.0.0.1:{port}"):
        await ask(f"http://127.0.0.1:{port}", PATIENT)


@for_each_use
async def test_a_name_that_does_not_exist_is_a_dns_failure(ask: Ask) -> None:
    with pytest.raises(DnsFailure, match="no-such-host"):
        await ask("http://no-such-host.invalid:8000", PATIENT)


@for_each_use
async def test_packets_that_are_dropped_are_a_connect_timeout(ask: Ask) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        with pytest.raises(ConnectTimeout):
            await ask(f"http://127.0.0.1:{address[1]}", SHORT)
        for one in waiting:
            one.close()


@for_each_use
async def test_a_self_signed_certificate_is_said_to_be_one(ask: Ask) -> None:
    async with running(tls_server()) as server:
        with pytest.raises(TlsFailure, match="authority") as caught:
            await ask(server.url, PATIENT)
    assert "SSL_CERT_FILE" in caught.value.next_step


@for_each_use
async def test_an_expired_certificate_is_said_to_be_one(ask: Ask, trusted: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    trusted.issue_cert("127.0.0.1", not_after=past).configure_cert(context)
    async with running(context) as server:
        with pytest.raises(TlsFailure, match="expired") as caught:
            await ask(server.url, PATIENT)
    assert "Renew" in caught.value.next_step


@for_each_use
async def test_a_certificate_for_another_name_is_said_to_be_one(ask: Ask, trusted: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trusted.issue_cert("models.example").configure_cert(context)
    async with running(context) as server:
        with pytest.raises(TlsFailure, match="another name"):
            await ask(server.url, PATIENT)


@for_each_use
async def test_https_to_a_server_without_tls_says_so(server: ModelServer, ask: Ask) -> None:
    with pytest.raises(TlsFailure, match="speaks no TLS") as caught:
        await ask(server.url.replace("http:", "https:"), PATIENT)
    assert "http://" in caught.value.next_step


async def test_an_answer_without_end_is_not_read_to_its_end(server: ModelServer) -> None:
    server.on("/v1/models", Reply(200, b"x" * 20_000))
    pool = ServerPool(max_answer_bytes=10_000)
    async with httpx2.AsyncClient(transport=pool) as client:
        with pytest.raises(httpx2.DecodingError) as caught:
            await client.get(f"{server.url}/v1/models")
    await pool.shut()
    assert isinstance(error_from_transport(caught.value, ErrorContext(url=server.url)), ProtocolError)


@pytest.mark.parametrize("service", ["llm", "embedding", "rerank"])
async def test_a_key_with_a_line_break_is_never_sent(server: ModelServer, service: Service) -> None:
    with pytest.raises(ConfigurationError) as caught:
        chosen(service, VLLM_BASE_URL=server.url, VLLM_API_KEY="sekret\r\nX-Evil: 1")
    assert caught.value.context.field == "VLLM_API_KEY"
    assert server.requests == []


async def test_clients_may_be_closed_without_closing_the_shared_connections(server: ModelServer) -> None:
    await asyncio.gather(*(streamed_chat(server.url) for _ in range(3)))
    await streamed_chat(server.url)
    assert len(server.asked("/v1/chat/completions")) == 4


def test_every_transport_exception_has_a_class_of_ours() -> None:
    kinds = [
        kind for kind in vars(httpx2).values() if isinstance(kind, type) and issubclass(kind, httpx2.TransportError)
    ]
    errors = [error_from_transport(kind("x"), ErrorContext(url="http://h:1")) for kind in kinds]
    assert all(isinstance(error, ArchonError) and error.code != "internal" for error in errors)
    assert len(kinds) > 10
