"""The agent over REST: sessions of contract, answers as events, and what is kept of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.model_server import ModelServer, Reset
from tests.server.conftest import StartServer, start_server  # noqa: F401 - a fixture
from tests.server.rest import events_of, providers, uploaded

from .planned import NO_TOOLS, Plan, says, search

TEXT = "# Tasks\n\nasyncio.gather runs awaitable objects concurrently and waits until all of them are done."
SESSIONS = "/api/agent-chat/sessions"


@pytest.fixture
async def empty(
    start_server: StartServer,  # noqa: F811
    server: ModelServer,
    vllm_embedding_url: str,
) -> AsyncIterator[httpx.AsyncClient]:
    """A server that knows nothing, and whose chat model plays a plan."""
    Plan(server, says("Hello."))
    address = start_server(**providers(server.url, vllm_embedding_url))
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture
async def archon(empty: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same with one page."""
    await uploaded(empty, "tasks.md", TEXT.encode(), "text/markdown")
    return empty


async def session_of(archon: httpx.AsyncClient) -> str:
    """A new session's address."""
    return f"{SESSIONS}/{(await archon.post(SESSIONS, json={})).json()['session_id']}"


async def test_an_answer_in_a_session_is_streamed_and_kept(archon: httpx.AsyncClient, server: ModelServer) -> None:
    Plan(server, search("gather"), says("asyncio.gather runs them [1]."))
    session = await session_of(archon)
    events = events_of((await archon.post(f"{session}/stream", json={"message": "What runs awaitables?"})).text)
    names = [name for name, _ in events]
    assert (names[0], names[-1], names.count("done")) == ("start", "done", 1)
    asked, said = (await archon.get(f"{session}/messages")).json()
    assert (asked["sender"], asked["content"], said["sender"]) == ("user", "What runs awaitables?", "agent")
    assert (said["content"], said["outcome"], said["way"]) == ("asyncio.gather runs them [1].", "complete", "tools")
    assert (said["reason"], said["explanation"]) == (None, None)
    assert (said["steps"][0]["tool"], said["steps"][0]["passages"]) == ("search_knowledge", [1])
    assert (events[-1][1]["message_id"], said["support"][0]["kind"]) == (said["id"], "cited")


async def test_a_sent_message_is_answered_in_the_background(archon: httpx.AsyncClient, server: ModelServer) -> None:
    Plan(server, NO_TOOLS, says("asyncio.gather does [1]."))
    session = await session_of(archon)
    assert (await archon.post(f"{session}/messages", json={"message": "Which call?"})).json() == {"status": "sent"}
    said = await answered(archon, session)
    assert (said["content"], said["way"]) == ("asyncio.gather does [1].", "one_pass")
    assert said["reason"] == "no_tool_calling"
    assert "--enable-auto-tool-choice" in said["explanation"]


async def answered(archon: httpx.AsyncClient, session: str) -> dict[str, object]:
    """The first answer, once it has an outcome."""
    while True:
        messages = (await archon.get(f"{session}/messages")).json()
        if messages[1]["outcome"]:
            return dict(messages[1])


async def test_the_model_is_shown_what_was_said_before(empty: httpx.AsyncClient, server: ModelServer) -> None:
    plan = Plan(server, search("gather"), says("It runs them [1]."), search("gather result"), says("A list."))
    session = await session_of(empty)
    for question in ("What runs awaitables?", "And what does it give back?"):
        await empty.post(f"{session}/stream", json={"message": question})
    before = [message["content"] for message in plan.bodies[2]["messages"][1:]]
    assert before == ["What runs awaitables?", "It runs them.", "And what does it give back?"]


async def test_a_session_has_the_fields_of_v1_and_can_be_deleted(empty: httpx.AsyncClient) -> None:
    session = await session_of(empty)
    body = (await empty.get(session)).json()
    assert {"id", "session_id", "project_id", "agent_type", "messages", "created_at"} <= body.keys()
    assert (body["agent_type"], body["messages"]) == ("rag", [])
    assert (await empty.delete(session)).json()["success"] is True
    assert (await empty.get(f"{session}/messages")).status_code == 404


async def test_an_agent_that_does_not_exist_is_refused(empty: httpx.AsyncClient) -> None:
    refused = await empty.post(SESSIONS, json={"agent_type": "document"})
    assert (refused.status_code, refused.json()["detail"]["field"]) == (422, "agent_type")


async def test_a_model_server_that_breaks_off_is_told_and_kept(empty: httpx.AsyncClient, server: ModelServer) -> None:
    server.on("/v1/chat/completions", Reset())
    session = await session_of(empty)
    events = events_of((await empty.post(f"{session}/stream", json={"message": "What runs awaitables?"})).text)
    assert [name for name, _ in events][-2:] == ["error", "done"]
    said = (await empty.get(f"{session}/messages")).json()[1]
    assert (said["outcome"], said["error"]["code"]) == ("upstream_error", events[-2][1]["code"])


async def test_a_question_without_a_session_brings_its_history(empty: httpx.AsyncClient, server: ModelServer) -> None:
    plan = Plan(server, search("gather"), says("A list [1]."))
    history = [{"role": "user", "content": "What is gather?"}, {"role": "assistant", "content": "A call."}]
    asked = {"message": "What does it give?", "history": history}
    events = events_of((await empty.post("/api/agent-chat/ask", json=asked)).text)
    assert (events[0][1]["session_id"], events[-1][1]["answer"]) == (None, "A list.")
    assert [message["content"] for message in plan.bodies[0]["messages"][1:3]] == ["What is gather?", "A call."]


async def test_the_agent_answers_with_the_connection_that_a_question_names(
    empty: httpx.AsyncClient, server: ModelServer
) -> None:
    other = {"id": "other", "provider": "vllm", "base_url": server.url, "model": "other-model", "temperature": 0.7}
    assert (await empty.post("/api/connections", json=other | {"max_tokens": 33})).status_code == 201
    plan = Plan(server, search("gather"), says("A list [1]."))
    asked = {"message": "What does it give?", "connection_id": "other"}
    events = events_of((await empty.post(f"{await session_of(empty)}/stream", json=asked)).text)
    assert (events[0][1]["model"], events[-1][1]["answer"]) == ("other-model", "A list.")
    sent = [(body["model"], body["temperature"], body["max_tokens"]) for body in plan.bodies]
    assert sent == [("other-model", 0.7, 200), ("other-model", 0.7, 33)]


@pytest.mark.parametrize("connection", ["other", None])
@pytest.mark.parametrize("way", ["tools", "one_pass"])
async def test_a_failure_in_mid_run_names_the_connection_and_where_it_happened(
    empty: httpx.AsyncClient, server: ModelServer, way: str, connection: str | None
) -> None:
    other = {"id": "other", "provider": "vllm", "base_url": server.url, "model": "other-model"}
    await empty.post("/api/connections", json=other)
    whole = says("It runs ", "them.")
    Plan(server, search("gather") if way == "tools" else NO_TOOLS, type(whole)(whole.parts[:2], end="done"))
    asked = {"message": "What runs awaitables?", "connection_id": connection}
    told = events_of((await empty.post(f"{await session_of(empty)}/stream", json=asked)).text)
    error, done = told[-2][1], told[-1][1]
    assert (done["way"], done["outcome"], error["code"]) == (way, "truncated", "stream_cut")
    where = (error["connection"], error["provider"], error["model"], error["url"])
    expected = (connection or "settings:llm", "vllm", told[0][1]["model"], f"{server.url}/v1/chat/completions")
    assert where == expected


async def test_a_question_keeps_what_was_chosen_for_it_and_an_answer_who_gave_it(
    empty: httpx.AsyncClient, server: ModelServer
) -> None:
    other = {"id": "other", "provider": "vllm", "base_url": server.url, "model": "other-model"}
    await empty.post("/api/connections", json=other)
    Plan(server, says("One."), says("Two."), says("Three."))
    session = await session_of(empty)
    for chosen in ({}, {"connection_id": "other"}, {"connection_id": "other", "model": "third-model"}):
        await empty.post(f"{session}/stream", json={"message": "Why?"} | chosen)
    kept = [
        (one.get("provider"), one["connection_id"], one["model"])
        for one in (await empty.get(f"{session}/messages")).json()
    ]
    assert kept[::2] == [(None, None, None), (None, "other", None), (None, "other", "third-model")]
    served = kept[1][2]
    assert served
    assert kept[1::2] == [
        ("vllm", "settings:llm", served),
        ("vllm", "other", "other-model"),
        ("vllm", "other", "third-model"),
    ]


async def test_a_connection_that_is_gone_is_not_found_and_leaves_no_question(empty: httpx.AsyncClient) -> None:
    session = await session_of(empty)
    refused = await empty.post(f"{session}/stream", json={"message": "Why?", "connection_id": "gone"})
    assert refused.status_code == 404
    assert (await empty.get(f"{session}/messages")).json() == []
