"""A model server that is wrong in one way: chat, search and the check each say which, and what to do."""

from __future__ import annotations

import httpx

from src.errors import JsonValue
from tests.fakes.model_server import Reply, running
from tests.ingest.site import Site

from .conftest import StartServer
from .rest import events_of, providers
from .test_chat import ASK

Detail = dict[str, JsonValue]


async def ask(address: str) -> tuple[int, Detail]:
    """Status and error of a question."""
    return await post(f"{address}/api/chat", ASK)


async def search(address: str) -> tuple[int, Detail]:
    """Status and error of a search."""
    return await post(f"{address}/api/rag/query", {"query": "coroutines"})


async def check(address: str, service: str) -> Detail:
    """The check's error, with the stored settings."""
    async with httpx.AsyncClient(timeout=60) as client:
        report = (await client.post(f"{address}/api/providers/vllm/check", json={"service": service})).json()
    error: Detail = report["error"]
    return error


async def post(url: str, body: JsonValue) -> tuple[int, Detail]:
    """Status and error body."""
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(url, json=body)
    return answer.status_code, answer.json()["detail"]


def nobody(port: int) -> str:
    """An address where nothing listens: a wrong port, or a vLLM that still loads its model."""
    return f"http://127.0.0.1:{port}"


async def test_nothing_listens_for_chat(start_server: StartServer, vllm_embedding_url: str, unused_port: int) -> None:
    status, detail = await ask(start_server(**providers(nobody(unused_port), vllm_embedding_url)))
    assert (status, detail["code"], detail["provider"]) == (503, "connection_refused", "vllm")
    assert "wait" in str(detail["next_step"]).lower()


async def test_nothing_listens_for_embeddings(start_server: StartServer, vllm_chat_url: str, unused_port: int) -> None:
    status, detail = await search(start_server(**providers(vllm_chat_url, nobody(unused_port))))
    assert (status, detail["code"], detail["retryable"]) == (503, "connection_refused", True)


async def test_something_else_listens_there(start_server: StartServer, site: Site) -> None:
    site.article("/", "Not a model server", "Words.")
    address = start_server(**providers(site.url(""), site.url("")))
    (status, detail), error = await search(address), await check(address, "llm")
    assert (status, detail["code"], error["code"]) == (502, "endpoint_not_found", "endpoint_not_found")
    assert detail["next_step"]


async def test_a_server_that_still_loads_its_model(start_server: StartServer) -> None:
    async with running() as loading:
        for path in ("/v1/models", "/v1/embeddings", "/v1/chat/completions"):
            loading.on(path, Reply(503, {"error": {"message": "Model is still loading", "code": 503}}))
        status, detail = await search(start_server(**providers(loading.url, loading.url)))
    assert (status, detail["code"], detail["retryable"]) == (503, "overloaded", True)
    assert "wait" in str(detail["next_step"]).lower()


async def test_a_wrong_chat_model(start_server: StartServer, vllm_chat_url: str, vllm_embedding_url: str) -> None:
    values = providers(vllm_chat_url, vllm_embedding_url) | {"VLLM_CHAT_MODEL": "no-such-model"}
    address = start_server(**values)
    status, detail = await ask(address)
    assert (status, detail["code"], detail["model"]) == (404, "model_not_found", "no-such-model")
    assert (await check(address, "llm"))["code"] == "model_not_found"


async def test_a_wrong_embedding_model(start_server: StartServer, vllm_chat_url: str, vllm_embedding_url: str) -> None:
    values = providers(vllm_chat_url, vllm_embedding_url) | {"VLLM_EMBEDDING_MODEL": "no-such-model"}
    status, detail = await search(start_server(**values))
    assert (status, detail["code"], detail["model"]) == (404, "model_not_found", "no-such-model")


async def test_the_chat_server_is_given_for_embeddings(start_server: StartServer, vllm_chat_url: str) -> None:
    address = start_server(**providers(vllm_chat_url, vllm_chat_url))
    status, detail = await search(address)
    assert (status, detail["code"]) == (502, "endpoint_not_found")
    assert (await check(address, "embedding"))["code"] == "endpoint_not_found"


async def test_the_embedding_server_is_given_for_chat(start_server: StartServer, vllm_embedding_url: str) -> None:
    address = start_server(**providers(vllm_embedding_url, vllm_embedding_url))
    async with httpx.AsyncClient(timeout=60) as client:
        events = events_of((await client.post(f"{address}/api/chat", json=ASK)).text)
    assert [name for name, _ in events] == ["start", "usage", "error", "done"]
    assert (events[2][1]["code"], events[3][1]["outcome"]) == ("endpoint_not_found", "upstream_error")
    assert (await check(address, "llm"))["code"] == "endpoint_not_found"


async def test_a_key_is_wanted_and_none_is_set(start_server: StartServer, locked_url: str) -> None:
    address = start_server(**providers(locked_url, locked_url))
    status, detail = await search(address)
    assert (status, detail["code"]) == (502, "provider_authentication")
    assert (await check(address, "embedding"))["code"] == "provider_authentication"


async def test_a_wrong_key_never_shows(start_server: StartServer, locked_url: str) -> None:
    key = "a-wrong-key-0123456789"
    _, detail = await search(start_server(**providers(locked_url, locked_url), VLLM_API_KEY=key))
    assert (detail["code"], key in str(detail)) == ("provider_authentication", False)


async def test_no_address_is_set(start_server: StartServer) -> None:
    status, detail = await ask(start_server(**providers("", "")))
    assert (status, detail["code"], detail["field"]) == (422, "configuration", "VLLM_BASE_URL")
