"""Chat over real sockets and a real model: streams at once, ends exactly once, stops with its reader."""

from __future__ import annotations

import asyncio
import json

import httpx

from src.errors import JsonValue

from .conftest import StartServer
from .relay import relay_to
from .rest import events_of, providers

LENGTH = 1500
LONG: dict[str, JsonValue] = {
    "message": "Count from one to ten thousand, one number a line.",
    "settings": {"knowledge": False, "max_tokens": LENGTH, "temperature": 2.0, "seed": 1},
}
"""At this temperature a small model comes to no end by itself."""
ASK: dict[str, JsonValue] = {"message": "What is a coroutine?", "max_tokens": 24}


async def test_an_answer_streams_from_start_to_exactly_one_done(archon: httpx.AsyncClient) -> None:
    answer = await archon.post("/api/chat", json=ASK)
    events = events_of(answer.text)
    names = [name for name, _ in events]
    assert (names[0], names[-1], names.count("done")) == ("start", "done", 1)
    said = "".join(str(body["text"]) for name, body in events if name == "token")
    assert (events[-1][1]["outcome"], events[-1][1]["answer"]) == ("complete", said)


async def test_the_answer_is_kept_in_its_conversation(archon: httpx.AsyncClient) -> None:
    start = events_of((await archon.post("/api/chat", json=ASK)).text)[0][1]
    kept = (await archon.get(f"/api/chat/conversations/{start['conversation_id']}")).json()
    assert [message["role"] for message in kept["messages"]] == ["user", "assistant"]
    assert kept["messages"][1]["outcome"] == "complete"


async def test_a_conversation_can_be_deleted(archon: httpx.AsyncClient) -> None:
    start = events_of((await archon.post("/api/chat", json=ASK)).text)[0][1]
    path = f"/api/chat/conversations/{start['conversation_id']}"
    codes = [(await archon.delete(path)).status_code, (await archon.get(path)).status_code]
    assert codes == [200, 404]


async def test_an_unknown_conversation_is_404_and_no_stream(archon: httpx.AsyncClient) -> None:
    unknown = "8d1e3d0a-5d3c-4d6e-9d55-0d5c6f6f0f0f"
    answer = await archon.post("/api/chat", json=ASK | {"conversation_id": unknown})
    assert (answer.status_code, answer.json()["detail"]["code"]) == (404, "not_found")


async def test_a_model_that_the_server_does_not_have_is_named_and_nothing_is_kept(archon: httpx.AsyncClient) -> None:
    answer = await archon.post("/api/chat", json=ASK | {"settings": {"model": "no-such-model", "knowledge": False}})
    detail = answer.json()["detail"]
    assert (answer.is_error, detail["code"], detail["model"]) == (True, "model_not_found", "no-such-model")
    assert "no-such-model" in detail["error"]
    assert (await archon.get("/api/chat/conversations")).json() == {"conversations": []}


async def test_a_reader_that_leaves_stops_the_model_within_half_a_second(
    start_server: StartServer, vllm_chat_url: str, vllm_embedding_url: str
) -> None:
    async with relay_to(vllm_chat_url) as relay, httpx.AsyncClient(timeout=60) as client:
        address = start_server(**providers(relay.url, vllm_embedding_url))
        async with client.stream("POST", f"{address}/api/chat", json=LONG) as answer:
            async for line in answer.aiter_lines():
                if line == "event: token":
                    break
        assert not relay.chat_closed.is_set()
        await asyncio.wait_for(relay.chat_closed.wait(), 0.5)
        assert relay.chat_closed.is_set()


async def test_vllm_itself_writes_no_longer_for_a_reader_who_left(
    archon: httpx.AsyncClient, vllm_chat_url: str
) -> None:
    before = await figure(vllm_chat_url, "vllm:generation_tokens_total")
    async with archon.stream("POST", "/api/chat", json=LONG) as answer:
        async for line in answer.aiter_lines():
            if line == "event: token":
                break
    async with asyncio.timeout(60):
        while await figure(vllm_chat_url, "vllm:num_requests_running"):
            continue
    assert await figure(vllm_chat_url, "vllm:generation_tokens_total") - before < LENGTH / 2


async def figure(vllm_url: str, name: str) -> float:
    """One of vLLM's own metrics, over all engines."""
    async with httpx.AsyncClient(timeout=30) as client:
        told = (await client.get(f"{vllm_url}/metrics")).text
    return sum(float(line.rpartition(" ")[2]) for line in told.splitlines() if line.startswith(f"{name}{{"))


async def test_what_came_before_the_reader_left_is_kept(archon: httpx.AsyncClient) -> None:
    async with archon.stream("POST", "/api/chat", json=LONG) as answer:
        lines = answer.aiter_lines()
        start = json.loads([await anext(lines), await anext(lines)][1].removeprefix("data: "))
        while await anext(lines) != "event: token":
            pass
    message = await kept_answer(archon, str(start["conversation_id"]))
    assert (message["outcome"], bool(message["content"])) == ("cancelled", True)


async def kept_answer(archon: httpx.AsyncClient, conversation_id: str) -> dict[str, JsonValue]:
    """The stored answer, once it says how it ended."""
    async with asyncio.timeout(5):
        while True:
            kept = (await archon.get(f"/api/chat/conversations/{conversation_id}")).json()["messages"][-1]
            if kept["outcome"] is not None:
                return kept


async def test_without_a_provider_the_question_is_refused_with_what_to_do(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/chat", json=ASK)
    detail = answer.json()["detail"]
    assert (answer.status_code, detail["code"], bool(detail["next_step"])) == (422, "configuration", True)
