"""Explain and rewrite through REST: exact answers from a model server that says what it is told, and a real vLLM."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from src.config import REPOSITORY
from src.errors import JsonValue
from src.inference.discovery import forget_discoveries
from src.inference.pool import close_pool
from tests.fakes.model_server import (
    DONE,
    ModelServer,
    Reply,
    Request,
    Silence,
    Stream,
    answer_of,
    model_row,
    running,
    token,
)

CODE = "def add(a, b):\n    return a - b\n\n\nprint(add(1, 2))\n"
ASKED: dict[str, JsonValue] = {
    "path": "src/sum.py",
    "text": CODE,
    "selection": {"start": 1, "end": 2},
    "connection_id": "fake",
}
MEND: dict[str, JsonValue] = {**ASKED, "instruction": "mend it"}
NEW = "```python\ndef add(a, b):\n    return a + b\n```"
REAL = "python/src/search/pages.py"


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    forget_discoveries()
    async with running() as one:
        one.on("/tokenize", lambda request: Reply(body={"count": len(request.body) // 4}))
        one.on("/v1/models", Reply(body={"object": "list", "data": [model_row("fake-model", 2048)]}))
        yield one
        await close_pool()


@pytest.fixture
async def help_of(api: httpx.AsyncClient, model: ModelServer) -> httpx.AsyncClient:
    """A server with a connection to the fake model server."""
    values = {"id": "fake", "provider": "vllm", "base_url": model.url, "timeout": 60}
    assert (await api.post("/api/connections", json=values)).status_code == 201
    return api


def say(model: ModelServer, *answers: str | Stream) -> None:
    """Let the model answer one after the other; the last one again and again."""
    left = list(answers)

    def next_answer(_request: Request) -> Stream:
        said = left.pop(0) if len(left) > 1 else left[0]
        return said if isinstance(said, Stream) else answer_of(said)

    model.on("/v1/chat/completions", next_answer)


def git_apply(folder: Path, diff: str) -> None:
    """The real one."""
    subprocess.run(["git", "apply", "-"], cwd=folder, input=diff.encode(), check=True)


def parts(text: str) -> list[tuple[str, JsonValue]]:
    """Events with their bodies; the mark at the end as it stands."""
    found: list[tuple[str, JsonValue]] = []
    for block in filter(None, text.split("\n\n")):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        data = lines.get("data", "")
        found.append((lines.get("event", "message"), data if data == "[DONE]" else json.loads(data)))
    return found


async def test_a_rewrite_gives_text_and_a_diff_that_git_applies(
    help_of: httpx.AsyncClient, model: ModelServer, tmp_path: Path
) -> None:
    say(model, NEW)
    body = (await help_of.post("/api/ai/rewrite", json=MEND)).json()
    (tmp_path / "src").mkdir()
    (tmp_path / "src/sum.py").write_text(CODE)
    git_apply(tmp_path, body["diff"])
    assert (tmp_path / "src/sum.py").read_text() == body["file"] == CODE.replace("a - b", "a + b")
    assert (body["text"], body["attempts"], body["outcome"]) == ("def add(a, b):\n    return a + b\n", 1, "complete")


async def test_an_answer_without_code_is_asked_for_once_more(help_of: httpx.AsyncClient, model: ModelServer) -> None:
    say(model, "Just use plus.", NEW)
    body = (await help_of.post("/api/ai/rewrite", json=MEND)).json()
    last = model.asked("/v1/chat/completions")[-1].json()["messages"]
    assert (body["attempts"], "no code block" in last[-1]["content"]) == (2, True)


async def test_two_useless_answers_are_a_typed_error(help_of: httpx.AsyncClient, model: ModelServer) -> None:
    say(model, "No.")
    answer = await help_of.post("/api/ai/rewrite", json=MEND)
    assert (answer.status_code, answer.json()["detail"]["code"]) == (502, "answer_unusable")
    assert len(model.asked("/v1/chat/completions")) == 2


async def test_a_stream_ends_with_its_result_and_the_mark(help_of: httpx.AsyncClient, model: ModelServer) -> None:
    say(model, "No.", NEW)
    events = parts((await help_of.post("/api/ai/rewrite/stream", json=MEND)).text)
    assert [name for name, _ in events] == ["start", "token", "retry", "token", "result", "usage", "done", "message"]
    assert events[-1][1] == "[DONE]"


async def test_an_explanation_counts_as_whole_only_with_its_finish_reason(
    help_of: httpx.AsyncClient, model: ModelServer
) -> None:
    say(model, Stream((token("It adds."), DONE)))
    events = dict(parts((await help_of.post("/api/ai/explain/stream", json=ASKED)).text))
    assert "result" not in events
    assert (events["error"]["code"], events["done"]["outcome"]) == ("stream_cut", "truncated")  # type: ignore[index, call-overload]


async def test_an_explanation_that_only_repeats_itself_is_stopped(
    help_of: httpx.AsyncClient, model: ModelServer
) -> None:
    say(model, Stream((*[token("It adds. ")] * 500, token("", "length"), DONE)))
    events = parts((await help_of.post("/api/ai/explain/stream", json=ASKED)).text)
    told = dict(events)
    assert (told["error"]["code"], told["done"]["outcome"]) == ("model_loops", "truncated")  # type: ignore[index, call-overload]
    assert told["error"]["connection"] == "fake"  # type: ignore[index, call-overload]
    assert [name for name, _ in events].count("token") < 300


async def test_an_explanation_is_told_with_what_was_shown(help_of: httpx.AsyncClient, model: ModelServer) -> None:
    say(model, "It adds two numbers.")
    other = {"path": "src/other.py", "text": "x = 1\n"}
    body = (await help_of.post("/api/ai/explain", json={**ASKED, "question": "why?", "files": [other]})).json()
    assert (body["explanation"], body["cut"]) == ("It adds two numbers.", False)
    assert body["context"]["files"] == [{"path": "src/other.py", "lines": 1, "of_lines": 1}]
    sent = model.asked("/v1/chat/completions")[0].json()["messages"][-1]["content"]
    assert sent.endswith("Question: why?")


async def test_a_server_that_falls_silent_is_504(help_of: httpx.AsyncClient, model: ModelServer) -> None:
    model.on("/v1/chat/completions", Silence())
    await help_of.put("/api/connections/fake", json={"timeout": 1})
    answer = await help_of.post("/api/ai/explain", json=ASKED)
    assert (answer.status_code, answer.json()["detail"]["code"]) == (504, "timeout_first_byte")


async def test_trouble_is_503_and_its_details_stay_in_the_log(help_of: httpx.AsyncClient, model: ModelServer) -> None:
    trouble = {"error": {"message": "CUDA error at /opt/secret/kernel.cu", "type": "InternalServerError", "code": 500}}
    model.on("/v1/chat/completions", Reply(500, trouble))
    answer = await help_of.post("/api/ai/rewrite", json=MEND)
    assert (answer.status_code, answer.json()["detail"]["connection"]) == (503, "fake")
    assert "secret" not in answer.text
    assert model.url not in answer.text


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"selection": {"start": 99}}, 422, "start"),
        ({"selection": {"start": 0}}, 422, "selection.start"),
        ({"path": "../../etc/passwd"}, 422, "path"),
        ({"text": "a\u0000b"}, 422, "text"),
        ({"instruction": "  "}, 422, "instruction"),
        ({"connection_id": "gone"}, 404, "connection_id"),
        ({"text": "x = 1\n" * 4000, "selection": {"start": 1}}, 400, "end"),
    ],
)
async def test_what_cannot_be_used_is_named(
    help_of: httpx.AsyncClient, change: dict[str, JsonValue], status: int, field: str
) -> None:
    answer = await help_of.post("/api/ai/rewrite/stream", json={**MEND, **change})
    assert (answer.status_code, answer.json()["detail"]["field"]) == (status, field)


async def test_whoever_leaves_stops_the_model(help_of: httpx.AsyncClient, model: ModelServer) -> None:
    say(model, Stream((token("It"),), end="silent"))
    async with help_of.stream("POST", "/api/ai/explain/stream", json={**ASKED, "connection_id": "fake"}) as answer:
        async for line in answer.aiter_lines():
            if line == "event: token":
                break
    async with asyncio.timeout(20):
        await model.gone.wait()
    assert model.gone.is_set()


async def test_a_real_file_is_explained_by_a_real_model(api: httpx.AsyncClient, vllm_chat_url: str) -> None:
    await api.post("/api/connections", json={"id": "lab", "provider": "vllm", "base_url": vllm_chat_url})
    text = (REPOSITORY / REAL).read_text()
    asked = {
        "path": REAL,
        "text": text,
        "selection": {"start": 10, "end": 20},
        "connection_id": "lab",
        "max_tokens": 12,
    }
    body = (await api.post("/api/ai/explain", json=asked, timeout=120)).json()
    assert (body["outcome"], bool(body["explanation"])) == ("complete", True)
    assert body["usage"]["prompt_tokens"] == body["context"]["prompt_tokens"]


async def test_a_real_models_rewrite_is_a_diff_or_a_typed_error(api: httpx.AsyncClient, vllm_chat_url: str) -> None:
    await api.post("/api/connections", json={"id": "lab", "provider": "vllm", "base_url": vllm_chat_url})
    asked = {**MEND, "connection_id": "lab", "max_tokens": 12}
    answer = await api.post("/api/ai/rewrite", json=asked, timeout=120)
    body = answer.json()
    assert body.get("diff", "").startswith("diff --git") or body["detail"]["code"] == "answer_unusable"
