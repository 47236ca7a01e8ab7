"""What goes over a real socket, and what comes back when the server misbehaves."""

from __future__ import annotations

import base64
from array import array
from contextlib import AbstractContextManager
from unittest.mock import AsyncMock, MagicMock, patch

import openai
import pytest

import src.server.services.llm_provider_service as module
from src.errors import ArchonError, ConfigurationError
from src.server.services.credential_service import credential_service
from src.server.services.embeddings.embedding_service import create_embeddings_batch
from src.server.services.llm_provider_service import get_llm_client
from tests.fakes.model_server import Answer, ModelServer, Reply, Reset, Stream, embeddings, token

from .conftest import setting, supabase_with

KEY = "sk-very-secret-key"
V1_CALLS = {
    "openai": {"api_key": KEY},
    "google": {"api_key": KEY, "base_url": "https://generativelanguage.googleapis.com/v1beta/openai/"},
    "ollama": {"api_key": "ollama", "base_url": "http://host.docker.internal:11434/v1"},
    "openrouter": {"api_key": KEY, "base_url": "https://openrouter.ai/api/v1"},
    "anthropic": {"api_key": KEY, "base_url": "https://api.anthropic.com/v1"},
    "grok": {"api_key": KEY, "base_url": "https://api.x.ai/v1"},
}
MESSAGES = [{"role": "user", "content": "x"}]


@pytest.mark.parametrize("provider", V1_CALLS)
async def test_the_six_older_providers_are_made_by_v1s_exact_call(provider: str) -> None:
    with (
        patch.object(credential_service, "_get_supabase_client", return_value=supabase_with()),
        patch.object(credential_service, "get_credential", AsyncMock(return_value=KEY)),
        patch.object(module.openai, "AsyncOpenAI", MagicMock()) as made,
    ):
        async with get_llm_client(provider=provider):
            made.assert_called_once_with(**V1_CALLS[provider])


@pytest.mark.parametrize(
    ("provider", "text"),
    [
        ("google", "Google API key not found"),
        ("openrouter", "OpenRouter API key not found"),
        ("anthropic", "Anthropic API key not found"),
        ("grok", "Grok API key not found"),
    ],
)
async def test_a_missing_key_is_said_in_v1s_words(provider: str, text: str) -> None:
    with (
        patch.object(credential_service, "_get_supabase_client", return_value=supabase_with()),
        pytest.raises(ValueError, match=text) as raised,
    ):
        async with get_llm_client(provider=provider):
            pass
    assert isinstance(raised.value, ConfigurationError)


def use_vllm(server: ModelServer) -> AbstractContextManager[MagicMock]:
    rows = [
        setting("LLM_PROVIDER", "vllm"),
        setting("EMBEDDING_PROVIDER", "vllm"),
        setting("VLLM_BASE_URL", server.url),
        setting("VLLM_API_KEY", KEY),
    ]
    return patch.object(credential_service, "_get_supabase_client", return_value=supabase_with(*rows))


async def say(stream: bool = False) -> None:
    async with get_llm_client() as client:
        answer = await client.chat.completions.create(model="m", messages=MESSAGES, stream=stream)  # type: ignore[call-overload]
        if stream:
            async for _ in answer:
                pass


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422, 429, 500, 502, 503, 504])
async def test_every_refusal_is_typed_placed_and_asked_once(server: ModelServer, status: int) -> None:
    server.on("/v1/chat/completions", Reply(status, {"error": {"message": f"no, {KEY}", "code": status}}))
    with use_vllm(server), pytest.raises(openai.APIStatusError) as raised:
        await say()
    error = raised.value
    assert isinstance(error, ArchonError)
    assert (error.context.provider, error.context.status) == ("vllm", status)
    assert KEY not in str(error.to_dict()) + str(error) + repr(error)
    assert len(server.asked("/v1/chat/completions")) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Reset(), "connection_broken"),
        (Reply(body=b"{}", cut=True), "connection_broken"),
        (Reply(body=b"<html>hello</html>", content_type="text/html"), "protocol"),
        (Reply(body=b'{"id": ', content_type="application/json"), "protocol"),
        (Reply(302, headers={"location": "http://127.0.0.1:1/v1/chat/completions"}), "protocol"),
    ],
)
async def test_a_broken_answer_is_typed(server: ModelServer, answer: Answer, code: str) -> None:
    server.on("/v1/chat/completions", answer)
    with use_vllm(server), pytest.raises(ArchonError) as raised:
        await say()
    assert (raised.value.code, raised.value.context.provider) == (code, "vllm")


@pytest.mark.parametrize("end", ["cut", "reset"])
async def test_a_stream_that_breaks_is_typed(server: ModelServer, end: str) -> None:
    server.on("/v1/chat/completions", Stream((token("a"),), end=end))
    with use_vllm(server), pytest.raises(ArchonError) as raised:
        await say(stream=True)
    assert raised.value.context.provider == "vllm"


async def test_connections_are_reused_and_the_key_travels_in_its_header_only(server: ModelServer) -> None:
    with use_vllm(server):
        await say()
        await say()
    first, second = server.asked("/v1/chat/completions")
    assert first.headers["authorization"] == second.headers["authorization"] == f"Bearer {KEY}"
    assert KEY.encode() not in first.body
    assert "openai-organization" not in first.headers


async def test_batches_are_small_and_without_dimensions(server: ModelServer) -> None:
    with use_vllm(server):
        result = await create_embeddings_batch([f"text {n}" for n in range(200)])
    asked = server.asked("/v1/embeddings")
    assert (result.success_count, len(asked)) == (200, 7)
    assert all(set(one.json()) == {"model", "input", "encoding_format"} for one in asked)


async def test_a_text_that_the_server_refuses_is_found(server: ModelServer) -> None:
    def answer(request: object) -> Reply:
        texts = request.json()["input"]  # type: ignore[attr-defined]
        if "bad" in texts:
            return Reply(400, {"error": {"message": "cannot tokenize", "type": "BadRequestError", "code": 400}})
        return Reply(body=embeddings([[1.0, 0.0]] * len(texts)))

    server.on("/v1/embeddings", answer)
    with use_vllm(server):
        result = await create_embeddings_batch([*(f"good {n}" for n in range(20)), "bad"])
    assert (result.success_count, [item["text"] for item in result.failed_items]) == (20, ["bad"])


async def test_a_wrong_key_stops_at_the_first_answer(server: ModelServer) -> None:
    server.on("/v1/embeddings", Reply(401, {"error": "Unauthorized"}))
    with use_vllm(server):
        result = await create_embeddings_batch([f"text {n}" for n in range(1000)])
    codes = {item["metadata"]["code"] for item in result.failed_items}  # type: ignore[index,call-overload]
    assert (result.failure_count, codes) == (1000, {"provider_authentication"})
    assert len(server.asked("/v1/embeddings")) <= 8
    assert KEY not in str(result.failed_items)


async def test_vectors_are_asked_for_as_the_sdk_would_and_come_back_as_it_reads_them(server: ModelServer) -> None:
    packed = base64.b64encode(array("f", [0.1, -0.7]).tobytes()).decode()
    server.on("/v1/embeddings", Reply(body={"data": [{"object": "embedding", "index": 0, "embedding": packed}]}))
    with use_vllm(server):
        result = await create_embeddings_batch(["a"])
        async with get_llm_client(use_embedding_provider=True) as client:
            answer = await client.embeddings.create(model="fake-model", input=["a"])
    ours, the_sdks = server.asked("/v1/embeddings")
    assert (ours.json(), ours.headers["authorization"]) == (the_sdks.json(), the_sdks.headers["authorization"])
    assert result.embeddings == [answer.data[0].embedding]


async def test_numbers_that_a_server_sends_as_text_lose_nothing(server: ModelServer) -> None:
    server.on("/v1/embeddings", Reply(body=embeddings([[0.1, 0.2]])))
    with use_vllm(server):
        assert (await create_embeddings_batch(["a"])).embeddings == [[0.1, 0.2]]


async def test_a_key_that_the_server_echoes_is_in_no_failed_item(server: ModelServer) -> None:
    odd = "a.key.of.no.usual.shape"
    server.on("/v1/embeddings", Reply(400, {"error": {"message": f"what is {odd}?", "code": 400}}))
    rows = [setting("EMBEDDING_PROVIDER", "vllm"), setting("VLLM_BASE_URL", server.url), setting("VLLM_API_KEY", odd)]
    with patch.object(credential_service, "_get_supabase_client", return_value=supabase_with(*rows)):
        result = await create_embeddings_batch(["a"])
    assert result.failure_count == 1
    assert odd not in str(result.failed_items) + str(result.errors)


async def test_a_gateway_that_is_down_is_said_with_how_to_start_it() -> None:
    way = [setting("VLLM_VIA_GATEWAY", "true"), setting("GATEWAY_URL", "http://127.0.0.1:9")]
    rows = [setting("LLM_PROVIDER", "vllm"), setting("VLLM_BASE_URL", "http://127.0.0.1:10"), *way]
    stored = patch.object(credential_service, "_get_supabase_client", return_value=supabase_with(*rows))
    with stored, pytest.raises(ArchonError) as raised:
        await say()
    assert raised.value.code == "connection_refused"
    assert "make gateway" in raised.value.next_step
