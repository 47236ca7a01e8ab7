"""The server's own chat with a chain behind it: another provider answers, and who did is told everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from src.errors import JsonValue
from tests.server.conftest import StartServer, serving
from tests.server.rest import events_of

from .faulty import FaultyServer, status

pytestmark = pytest.mark.timeout(120)
ASK: dict[str, JsonValue] = {"message": "What is a coroutine?", "max_tokens": 8}


@pytest.fixture
def start_server(database_url: str, free_port: int, tmp_path: Path) -> Iterator[StartServer]:
    """Starts the server with these variables; gives its address."""
    own = {"DATABASE_URL": database_url, "ARCHON_SERVER_PORT": str(free_port), "ARCHON_DATA_DIR": str(tmp_path)}
    with ExitStack() as stack:
        yield lambda **values: stack.enter_context(serving(own | values))


@pytest.fixture
async def second() -> AsyncIterator[FaultyServer]:
    """A server that stands in: told to be Ollama's."""
    server = await FaultyServer("spare").start()
    yield server
    await server.stop()


@pytest.fixture
async def first() -> AsyncIterator[FaultyServer]:
    """The chosen vLLM."""
    server = await FaultyServer("m").start()
    yield server
    await server.stop()


def chain(first: str, second: str, embedding: str) -> dict[str, str]:
    return {
        "LLM_PROVIDER": "vllm",
        "VLLM_BASE_URL": first,
        "EMBEDDING_PROVIDER": "vllm",
        "VLLM_EMBEDDING_BASE_URL": embedding,
        "LLM_BASE_URL": f"{second}/v1",
        "ENABLE_FALLBACK": "true",
        "FALLBACK_CHAIN": "ollama",
        "FALLBACK_MODEL_OLLAMA": "spare",
        "HEALTH_CHECK_INTERVAL": "1",
        "HEALTH_CHECK_TIMEOUT": "2",
    }


async def test_when_the_chosen_one_is_gone_the_next_answers_and_is_named_everywhere(
    start_server: StartServer, first: FaultyServer, second: FaultyServer, vllm_embedding_url: str
) -> None:
    await first.stop()
    address = start_server(**chain(first.url, second.url, vllm_embedding_url))
    async with httpx.AsyncClient(base_url=address, timeout=60) as archon:
        answer = await archon.post("/api/chat", json=ASK)
        events = events_of(answer.text)
        health = (await archon.get("/v1/health/inference")).json()
        metrics = (await archon.get("/metrics")).text
    done = events[-1][1]
    assert 'archon_chat_answers_total{provider="ollama",role="fallback"}' in metrics
    start = events[0][1]
    assert (done["outcome"], start["provider"], start["model"]) == ("complete", "ollama", "spare")
    assert (answer.headers["x-archon-provider"], done["provider"]) == ("ollama", "ollama")
    assert (health["status"], health["primary"]["last_error"]["code"]) == ("degraded", "connection_refused")


async def test_while_the_chosen_one_answers_no_other_is_asked(
    start_server: StartServer, first: FaultyServer, second: FaultyServer, vllm_embedding_url: str
) -> None:
    address = start_server(**chain(first.url, second.url, vllm_embedding_url))
    async with httpx.AsyncClient(base_url=address, timeout=60) as archon:
        start = events_of((await archon.post("/api/chat", json=ASK)).text)[0][1]
        health = (await archon.get("/v1/health/inference")).json()
    assert start["provider"] == "vllm"
    assert [seen.path for seen in second.seen if seen.path == "/v1/chat/completions"] == []
    assert (health["status"], health["primary"]["models"], health["fallbacks"][0]["models"]) == ("ok", ["m"], ["spare"])


async def test_a_chosen_one_that_fails_at_the_answer_itself_is_passed_over(
    start_server: StartServer, first: FaultyServer, second: FaultyServer, vllm_embedding_url: str
) -> None:
    first.behaves = status(503)
    address = start_server(**chain(first.url, second.url, vllm_embedding_url))
    async with httpx.AsyncClient(base_url=address, timeout=60) as archon:
        done = events_of((await archon.post("/api/chat", json=ASK)).text)[-1][1]
    assert (done["outcome"], done["provider"], done["answer"]) == ("complete", "ollama", "t0 t1 t2 ")


async def test_the_chosen_one_is_asked_again_once_it_is_back(
    start_server: StartServer, first: FaultyServer, second: FaultyServer, vllm_embedding_url: str
) -> None:
    await first.stop()
    address = start_server(**chain(first.url, second.url, vllm_embedding_url))
    async with httpx.AsyncClient(base_url=address, timeout=60) as archon:
        await archon.post("/api/chat", json=ASK)
        await first.start()
        async with asyncio.timeout(10):
            while (await archon.get("/v1/health/inference")).json()["status"] != "ok":
                assert archon.is_closed is False
        start = events_of((await archon.post("/api/chat", json=ASK)).text)[0][1]
    assert start["provider"] == "vllm"


async def test_an_agent_works_with_the_next_while_the_chosen_one_is_down(
    start_server: StartServer, first: FaultyServer, second: FaultyServer, vllm_embedding_url: str
) -> None:
    await first.stop()
    address = start_server(**chain(first.url, second.url, vllm_embedding_url))
    async with httpx.AsyncClient(base_url=address, timeout=60) as archon:
        async with asyncio.timeout(10):
            while (await archon.get("/v1/health/inference")).json()["status"] != "degraded":
                assert archon.is_closed is False
        events = events_of((await archon.post("/api/agent-chat/ask", json=ASK)).text)
    assert (events[0][1]["provider"], events[0][1]["model"], events[-1][1]["outcome"]) == (
        "ollama",
        "spare",
        "complete",
    )


async def test_without_the_switch_the_failure_is_told(
    start_server: StartServer, first: FaultyServer, second: FaultyServer, vllm_embedding_url: str
) -> None:
    await first.stop()
    values = chain(first.url, second.url, vllm_embedding_url) | {"ENABLE_FALLBACK": "false"}
    async with httpx.AsyncClient(base_url=start_server(**values), timeout=60) as archon:
        answer = await archon.post("/api/chat", json=ASK)
        health = (await archon.get("/v1/health/inference")).json()
    assert answer.json()["detail"]["code"] == "connection_refused"
    assert (health["enabled"], health["fallbacks"], health["status"]) == (False, [], "down")


async def test_a_chain_that_names_nobody_is_refused_when_saved(start_server: StartServer) -> None:
    async with httpx.AsyncClient(base_url=start_server(), timeout=30) as archon:
        saved = await archon.put("/api/settings", json={"values": {"FALLBACK_CHAIN": "openai, nobody"}})
    assert (saved.status_code, saved.json()["detail"]["field"]) == (422, "FALLBACK_CHAIN")


async def test_health_of_inference_is_behind_the_token(start_server: StartServer) -> None:
    values = {"ARCHON_BIND": "0.0.0.0", "ARCHON_TOKEN": "a-token-for-this-test"}
    async with httpx.AsyncClient(base_url=start_server(**values), timeout=30) as archon:
        codes = [(await archon.get("/v1/health/inference")).status_code]
        own = {"Authorization": "Bearer a-token-for-this-test"}
        codes.append((await archon.get("/v1/health/inference", headers=own)).status_code)
    assert codes == [401, 200]
