"""The six older providers stay where Archon v1 had them: address, key, defaults."""

from __future__ import annotations

from dataclasses import replace

import openai
import pytest

from src.errors import ConfigurationError, RateLimited
from src.inference.client import client_for, make_client
from src.inference.pool import http_client
from src.inference.provider import Endpoint
from src.inference.registry import load_registry
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply, Request, running

ADDRESSES = {
    "openai": (None, "OPENAI_API_KEY", "gpt-4o-mini", "text-embedding-3-small"),
    "google": (
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        "GOOGLE_API_KEY",
        "gemini-1.5-flash",
        "text-embedding-004",
    ),
    "openrouter": (
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        "anthropic/claude-3.5-sonnet",
        "text-embedding-3-small",
    ),
    "anthropic": (
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        "claude-3-5-haiku-20241022",
        "text-embedding-3-small",
    ),
    "grok": ("https://api.x.ai/v1", "GROK_API_KEY", "grok-3-mini", "text-embedding-3-small"),
}
OLLAMA = [
    ({}, "llm", "http://host.docker.internal:11434/v1"),
    ({"LLM_BASE_URL": "http://h:11434"}, "llm", "http://h:11434/v1"),
    ({"LLM_BASE_URL": "http://h:11434/v1"}, "embedding", "http://h:11434/v1"),
    ({"LLM_BASE_URL": "http://h:1", "OLLAMA_EMBEDDING_URL": "http://e:2"}, "embedding", "http://e:2/v1"),
    ({"LLM_BASE_URL": "http://h:1", "OLLAMA_EMBEDDING_URL": "http://e:2"}, "llm", "http://h:1/v1"),
]


@pytest.mark.parametrize(("name", "expected"), ADDRESSES.items())
def test_a_cloud_is_where_v1_had_it(name: str, expected: tuple[str | None, str, str, str]) -> None:
    base_url, key, chat, embedding = expected
    provider = load_registry().get(name)
    endpoint = provider.endpoint({key: "sk-test-1234"}, "llm")
    assert (endpoint.base_url, endpoint.api_key) == (base_url, "sk-test-1234")
    assert (provider.default_chat_model, provider.default_embedding_model) == (chat, embedding)
    with pytest.raises(ConfigurationError, match="API key not found"):
        provider.endpoint({}, "llm")


@pytest.mark.parametrize(("values", "service", "url"), OLLAMA)
def test_ollama_is_looked_for_in_v1s_order(values: dict[str, str], service: str, url: str) -> None:
    endpoint = load_registry().get("ollama").endpoint(values, service)  # type: ignore[arg-type]
    assert (endpoint.base_url, endpoint.api_key) == (url, "ollama")


@pytest.mark.parametrize("name", [*ADDRESSES, "ollama"])
async def test_the_older_providers_keep_the_sdks_own_retries_and_time_outs(name: str) -> None:
    key = ADDRESSES[name][1] if name in ADDRESSES else "OLLAMA_API_KEY"
    client = client_for(chosen("llm", name, **{key: "sk-test-1234"}))
    assert (client.max_retries, client.timeout) == (openai.DEFAULT_MAX_RETRIES, openai.DEFAULT_TIMEOUT)
    await client.close()


async def test_a_server_of_ones_own_gets_no_retries_of_the_sdk() -> None:
    client = client_for(chosen("llm", VLLM_BASE_URL="h:1"))
    assert client.max_retries == 0
    await client.close()


async def test_google_embeds_over_its_own_wire_one_request_a_text() -> None:
    def answer(request: Request) -> Reply:
        return Reply(body={"embedding": {"values": [3.0, 4.0 * len(request.json()["content"]["parts"][0]["text"])]}})

    async with running() as server:
        server.on("/v1beta/models/gemini-embedding-001:embedContent", answer)
        vectors = await google_embed(server, ["a", "a"])
        sent = server.requests[0]
    assert vectors == [[0.6, 0.8], [0.6, 0.8]]
    assert sent.headers["x-goog-api-key"] == "g-key-12345"
    assert sent.json()["outputDimensionality"] == 768
    assert len(server.requests) == 2


async def test_googles_refusal_is_one_error_and_not_a_group() -> None:
    async with running() as server:
        server.on("/v1beta/models/gemini-embedding-001:embedContent", Reply(429, {"error": {"message": "slow"}}))
        with pytest.raises(RateLimited):
            await google_embed(server, ["a", "b", "c"])


async def google_embed(server: ModelServer, texts: list[str]) -> list[list[float]]:
    active = chosen("embedding", "google", GOOGLE_API_KEY="g-key-12345")
    endpoint = replace(active.endpoint, base_url=f"{server.url}/v1beta/openai/")
    wire = active.provider.embedding_wire
    assert wire is not None
    async with http_client(cloud=True) as client:
        return await wire(client, endpoint, "gemini-embedding-001", texts, 768)


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_client_for_a_server_of_ones_own_is_never_made_without_an_address(blank: str | None) -> None:
    with pytest.raises(ConfigurationError, match="No server address"):
        make_client(Endpoint(base_url=blank, api_key=None))
