"""Answers over REST: watched again after a reload, stopped, continued after a kill; the model server is a fake one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from src.errors import JsonValue
from tests.fakes.model_server import USAGE, ModelServer, Reply, Stream, model_row, running, token

from .conftest import StartServer
from .process import Running, serving_process
from .rest import events_of, providers

ASK: dict[str, JsonValue] = {"message": "Why?", "settings": {"knowledge": False}}
HALF = Stream((token("Half "), token("an answer ")), end="silent")
REST = Stream((token(" and the rest."), token("", "stop"), USAGE, b"data: [DONE]\n\n"))


@pytest.fixture
async def fake() -> AsyncIterator[ModelServer]:
    async with running() as server:
        server.on("/tokenize", lambda request: Reply(body={"count": len(request.body) // 4}))
        server.on("/v1/models", Reply(body={"object": "list", "data": [model_row("fake-model", 2048)]}))
        yield server


@pytest.fixture
async def archon(start_server: StartServer, fake: ModelServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=start_server(**providers(fake.url, fake.url)), timeout=60) as client:
        yield client


@asynccontextmanager
async def asking(archon: httpx.AsyncClient, body: dict[str, JsonValue]) -> AsyncIterator[dict[str, JsonValue]]:
    """The start of an answer that has said something; leaving the block leaves the answer."""
    async with archon.stream("POST", "/api/chat", json=body) as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        start: dict[str, JsonValue] = json.loads((await anext(lines)).removeprefix("data: "))
        while "an answer" not in await anext(lines):
            pass
        yield start


async def stored(archon: httpx.AsyncClient, start: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The answer as it is stored."""
    kept = (await archon.get(f"/api/chat/conversations/{start['conversation_id']}")).json()["messages"][-1]
    assert isinstance(kept, dict)
    return kept


async def test_an_answer_survives_the_reload_of_its_page(archon: httpx.AsyncClient, fake: ModelServer) -> None:
    fake.on("/v1/chat/completions", HALF)
    async with asking(archon, ASK | {"keep_s": 30}) as start:
        pass
    path = f"/api/chat/answers/{start['message_id']}"
    async with archon.stream("GET", f"{path}/events", headers={"Last-Event-ID": "1"}) as again:
        lines = again.aiter_lines()
        assert [await anext(lines), json.loads((await anext(lines))[6:])] == [
            "event: token",
            {"text": "Half an answer"},
        ]
        assert not fake.gone.is_set()
        assert (await archon.post(f"{path}/stop")).json() == {"stopped": True, "outcome": "cancelled"}
        rest = [line async for line in lines]
    assert rest.count("event: done") == 1
    await asyncio.wait_for(fake.gone.wait(), 5)
    told = events_of((await archon.get(f"{path}/events")).text)
    assert (told[-1][1]["outcome"], told[-1][1]["answer"]) == ("cancelled", "Half an answer ")


async def test_a_server_gone_in_mid_answer_leaves_what_came_and_it_goes_on(
    archon: httpx.AsyncClient, fake: ModelServer
) -> None:
    fake.on("/v1/chat/completions", Stream(HALF.parts, end="reset"))
    events = events_of((await archon.post("/api/chat", json=ASK)).text)
    assert (events[-1][1]["outcome"], events[-1][1]["answer"]) == ("truncated", "Half an answer ")
    assert events[-2][1]["connection"] == "settings:llm"
    fake.on("/v1/chat/completions", REST)
    again = {"continues": events[0][1]["message_id"]}
    told = events_of((await archon.post("/api/chat", json=again)).text)
    assert (told[-1][1]["outcome"], told[-1][1]["answer"]) == ("complete", "Half an answer and the rest.")
    sent = fake.asked("/v1/chat/completions")[-1].json()
    assert (sent["continue_final_message"], sent["messages"][-1]["content"]) == (True, "Half an answer")


async def test_a_conversation_is_saved_as_a_file_whatever_it_is_called(
    archon: httpx.AsyncClient, fake: ModelServer
) -> None:
    fake.on("/v1/chat/completions", REST)
    start = events_of((await archon.post("/api/chat", json=ASK)).text)[0][1]
    path = f"/api/chat/conversations/{start['conversation_id']}"
    await archon.put(path, json={"title": '../"Größe"\r\nX-Evil: 1'})
    markdown = await archon.get(f"{path}/export")
    plain, encoded = 'filename="conversation.md"', "filename*=UTF-8''gr%C3%B6%C3%9Fe-x-evil-1.md"
    assert markdown.headers["content-disposition"] == f"attachment; {plain}; {encoded}"
    assert (markdown.headers["content-type"], markdown.text[:2]) == ("text/markdown; charset=utf-8", "# ")
    written = (await archon.get(f"{path}/export", params={"format": "json"})).json()
    assert [message["role"] for message in written["messages"]] == ["user", "assistant"]
    assert (await archon.get("/api/chat/conversations/8d1e3d0a-5d3c-4d6e-9d55-0d5c6f6f0f0f/export")).status_code == 404


async def test_only_an_answer_that_was_cut_can_be_continued(archon: httpx.AsyncClient, fake: ModelServer) -> None:
    starts = []
    for reason in ("stop", "length"):
        fake.on("/v1/chat/completions", Stream((token("So."), token("", reason), USAGE, b"data: [DONE]\n\n")))
        starts.append(events_of((await archon.post("/api/chat", json=ASK)).text)[0][1])
    codes = [(await archon.post("/api/chat", json={"continues": start["message_id"]})).status_code for start in starts]
    assert codes == [409, 200]


async def test_a_killed_server_leaves_its_answer_marked_and_it_can_be_continued(
    fake: ModelServer, free_port: int, database_url: str, tmp_path: Path
) -> None:
    fake.on("/v1/chat/completions", HALF)
    values = providers(fake.url, fake.url) | {"DATABASE_URL": database_url}
    async with serving_process(tmp_path, free_port, **values) as server:
        await server.answers("/health", 200)
        async with client_of(server) as archon, asking(archon, ASK | {"keep_s": 60}) as start:
            await until(archon, start, lambda kept: kept["content"] == "Half an answer")
            server.process.kill()
            await server.process.wait()
    async with serving_process(tmp_path, free_port, **values) as server, client_of(server) as archon:
        await server.answers("/health", 200)
        await let_leases_run_out(database_url)
        kept = await stored(archon, start)
        fake.on("/v1/chat/completions", REST)
        told = events_of((await archon.post("/api/chat", json={"continues": start["message_id"]})).text)
    assert (kept["outcome"], kept["error"]["code"]) == ("truncated", "interrupted")  # type: ignore[index, call-overload]
    assert told[-1][1]["answer"] == "Half an answer and the rest."


def client_of(server: Running) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.address, timeout=60)


async def let_leases_run_out(database_url: str) -> None:
    """The seconds in which a killed server could still be heard of pass at once."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as database:
        await database.execute("update archon_messages set writing_until = now() where writing_until is not null")


async def until(
    archon: httpx.AsyncClient, start: dict[str, JsonValue], holds: Callable[[dict[str, JsonValue]], bool]
) -> dict[str, JsonValue]:
    """The stored answer once `holds` is true of it."""
    async with asyncio.timeout(40):
        while not holds(kept := await stored(archon, start)):
            continue
        return kept


async def test_a_question_of_200_000_characters_is_refused_for_its_length(archon: httpx.AsyncClient) -> None:
    answer = await archon.post("/api/chat", json=ASK | {"message": "word " * 40_000})
    assert (answer.status_code, answer.json()["detail"]["code"]) == (400, "context_too_long")
    longer = await archon.post("/api/chat", json=ASK | {"message": "x" * 200_001})
    assert (longer.status_code, longer.json()["detail"]["field"]) == (422, "message")


async def test_a_connection_that_was_deleted_is_named_and_another_can_be_chosen(
    archon: httpx.AsyncClient, fake: ModelServer
) -> None:
    fake.on("/v1/chat/completions", REST)
    made = (
        await archon.post("/api/connections", json={"name": "Mine", "provider": "vllm", "base_url": fake.url})
    ).json()
    body = ASK | {"settings": {"knowledge": False, "connection_id": made["id"], "model": "fake-model"}}
    start = events_of((await archon.post("/api/chat", json=body)).text)[0][1]
    assert start["connection_id"] == made["id"]
    await archon.delete(f"/api/connections/{made['id']}")
    home = start["conversation_id"]
    gone = await archon.post("/api/chat", json={"message": "And?", "conversation_id": home})
    assert (gone.status_code, gone.json()["detail"]["code"]) == (404, "not_found")
    changed = await archon.put(f"/api/chat/conversations/{home}", json={"settings": {"knowledge": False}})
    assert changed.json()["settings"]["connection_id"] is None
    again = events_of((await archon.post("/api/chat", json={"message": "And?", "conversation_id": home})).text)
    assert again[-1][1]["outcome"] == "complete"


async def test_a_connection_that_is_deleted_in_mid_answer_lets_the_answer_go_on(
    archon: httpx.AsyncClient, fake: ModelServer
) -> None:
    fake.on("/v1/chat/completions", HALF)
    values = {"name": "Mine", "provider": "vllm", "base_url": fake.url}
    made = (await archon.post("/api/connections", json=values)).json()
    body = ASK | {"keep_s": 30, "settings": {"knowledge": False, "connection_id": made["id"]}}
    async with asking(archon, body) as start:
        assert (await archon.delete(f"/api/connections/{made['id']}")).status_code == 200
    assert (await archon.get("/api/connections")).json()["default"] == "settings:llm"
    assert not fake.gone.is_set()
    await archon.post(f"/api/chat/answers/{start['message_id']}/stop")
    kept = await stored(archon, start)
    assert (kept["outcome"], kept["content"], kept["connection_id"]) == ("cancelled", "Half an answer ", made["id"])
    wanted = {"continues": start["message_id"]}
    gone = await archon.post("/api/chat", json=wanted)
    assert (gone.status_code, gone.json()["detail"]["connection"]) == (404, made["id"])


async def test_the_limits_are_the_models_own(archon: httpx.AsyncClient) -> None:
    limits = (await archon.get("/api/chat/limits")).json()
    assert (limits["model"], limits["max_model_len"], limits["max_tokens"]) == (
        "fake-model",
        2048,
        {"min": 1, "max": 2048},
    )
    body = ASK | {"settings": {"knowledge": False, "max_tokens": 4096}}
    refused = await archon.post("/api/chat", json=body)
    assert (refused.status_code, refused.json()["detail"]["field"]) == (422, "max_tokens")


async def test_a_connection_that_allows_less_than_its_model_is_the_limit(
    archon: httpx.AsyncClient, fake: ModelServer
) -> None:
    fake.on("/v1/chat/completions", REST)
    for name, most in (("short", 100), ("long", 100_000)):
        await archon.post(
            "/api/connections",
            json={"id": name, "provider": "vllm", "base_url": fake.url, "model": "fake-model", "max_tokens": most},
        )
    limits = [(await archon.get(f"/api/chat/limits?connection_id={name}")).json() for name in ("short", "long")]
    assert [(one["max_model_len"], one["max_tokens"]["max"]) for one in limits] == [(2048, 100), (2048, 2048)]
    settings: dict[str, JsonValue] = {"knowledge": False, "connection_id": "short", "max_tokens": 101}
    refused = await archon.post("/api/chat", json=ASK | {"settings": settings})
    assert (refused.status_code, refused.json()["detail"]["field"]) == (422, "max_tokens")
    assert "the connection allows 100" in refused.json()["detail"]["error"]
    taken = await archon.post("/api/chat", json=ASK | {"settings": settings | {"max_tokens": 100}})
    assert events_of(taken.text)[-1][1]["outcome"] == "complete"


async def test_an_answer_keeps_the_connection_and_model_that_gave_it_when_another_becomes_the_default(
    archon: httpx.AsyncClient, fake: ModelServer
) -> None:
    fake.on("/v1/chat/completions", REST)
    mine = {"id": "mine", "provider": "vllm", "base_url": fake.url, "model": "my-model"}
    await archon.post("/api/connections", json=mine)
    await archon.put("/api/connections/mine/default")
    start = events_of((await archon.post("/api/chat", json=ASK)).text)[0][1]
    await archon.put("/api/connections/settings:llm/default")
    home = start["conversation_id"]
    await archon.post("/api/chat", json={"message": "And?", "conversation_id": home})
    messages = (await archon.get(f"/api/chat/conversations/{home}")).json()["messages"]
    assert [(one["connection_id"], one["provider"], one["model"]) for one in messages[1::2]] == [
        ("mine", "vllm", "my-model"),
        ("settings:llm", "vllm", "fake-model"),
    ]
    told = events_of((await archon.get(f"/api/chat/answers/{start['message_id']}/events")).text)
    assert [told[0][1]["connection_id"], told[-1][1]["model"]] == ["mine", "my-model"]


async def test_an_answer_that_nobody_knows_is_404(archon: httpx.AsyncClient) -> None:
    unknown = "8d1e3d0a-5d3c-4d6e-9d55-0d5c6f6f0f0f"
    path = f"/api/chat/answers/{unknown}"
    codes = [(await archon.get(f"{path}/events")).status_code, (await archon.post(f"{path}/stop")).status_code]
    assert codes == [404, 404]
