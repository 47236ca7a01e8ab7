"""llama.cpp's own words: what its server answered once, by hand, is played here and must still mean the same."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from src.errors import ContextTooLong, ErrorContext, ModelNotFound
from src.inference.chat import build_chat_model
from src.inference.check import check
from src.inference.check_report import CheckReport
from src.inference.discovery import forget_discoveries
from src.inference.embed import build_embedder
from src.inference.failures import Reply as Failed
from src.inference.failures import error_from_reply
from src.inference.models import ChatMessage, ChatOptions, StreamEnd
from src.inference.pool import close_pool
from src.inference.provider import Service
from src.inference.registry import load_registry
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply, Request, running

RECORDED = json.loads((Path(__file__).parents[1] / "fakes" / "llama_cpp_0_6_0.json").read_text(encoding="utf-8"))
REPLIES: dict[str, dict[str, str]] = RECORDED["replies"]
LLAMACPP = load_registry().get("llamacpp")
MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
HI = [ChatMessage("user", "Hi")]


@dataclass(frozen=True)
class Started:
    """How llama-server was started."""

    embeddings: bool = False
    jinja: bool = True
    key: str = ""


def recorded(name: str) -> Reply:
    one = REPLIES[name]
    return Reply(int(one["status"]), one["body"].encode(), content_type=one["content_type"])


def play(server: ModelServer, started: Started) -> None:
    """`server` answers as llama-server did when it was started like this."""

    def guarded(name: str, request: Request) -> Reply:
        open_to_it = not started.key or request.headers.get("authorization") == f"Bearer {started.key}"
        return recorded(name if open_to_it else "chat, wrong key")

    def chat(request: Request) -> Reply:
        body = request.json()
        if len(str(body["messages"])) > 4000:
            return recorded("chat, prompt of 3,010 tokens")
        if "tools" in body:
            return guarded("chat with tools" if started.jinja else "chat with tools, started with --no-jinja", request)
        schema = "chat with a JSON schema" if "response_format" in body else "chat"
        return guarded("chat, streamed" if body.get("stream") else schema, request)

    def embed(request: Request) -> Reply:
        if not started.embeddings:
            return recorded("embeddings, started without --embeddings")
        body = request.json()
        if any(len(text) > 2000 for text in body["input"]):
            return recorded("embeddings, a text of 601 tokens")
        packed = body.get("encoding_format") == "base64"
        answer = json.loads(REPLIES["embeddings as base64" if packed else "embeddings"]["body"])
        return Reply(body={**answer, "data": answer["data"][: len(body["input"])]})

    def tokenize(request: Request) -> Reply:
        tokens = json.loads(REPLIES["tokenize"]["body"])["tokens"]
        return Reply(body={"tokens": tokens[:1] * len(request.json()["content"].split())})

    for route, name in {"/props": "props", "/v1/models": "models", "/apply-template": "apply-template"}.items():
        server.on(route, lambda request, name=name: guarded(name, request))  # type: ignore[misc]
    server.on("/v1/chat/completions", chat)
    server.on("/v1/embeddings", embed)
    server.on("/tokenize", tokenize)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    forget_discoveries()
    async with running() as one:
        yield one
        await close_pool()


async def checked(server: ModelServer, service: Service, started: Started, **values: str) -> CheckReport:
    play(server, started)
    return await check(LLAMACPP, service, {"LLAMACPP_BASE_URL": server.url, **values})


def findings(report: CheckReport, step: str) -> str:
    return " ".join(f"{one.message} {one.next_step or ''}" for one in report.findings if one.step == step)


@pytest.mark.parametrize("name", [name for name, reply in REPLIES.items() if "code" in reply])
def test_each_of_its_refusals_has_its_class(name: str) -> None:
    reply = REPLIES[name]
    error = error_from_reply(Failed(int(reply["status"]), {}, reply["body"].encode()), ErrorContext(model="m"))
    assert error.code == reply["code"]


async def test_a_check_of_chat_is_green_and_tells_what_it_can_do(server: ModelServer) -> None:
    report = await checked(server, "llm", Started())
    assert report.ok, report.error
    assert (report.model, report.max_model_len) == (MODEL, 2048)
    assert str(report.server).startswith("llama.cpp ")
    assert "enabled" in findings(report, "tools")
    assert "keep to a JSON schema" in findings(report, "json_schema")


async def test_tools_without_jinja_are_told_with_the_flag(server: ModelServer) -> None:
    report = await checked(server, "llm", Started(jinja=False))
    assert report.ok
    assert "--jinja" in findings(report, "tools")


async def test_a_name_it_does_not_serve_is_answered_and_said(server: ModelServer) -> None:
    report = await checked(server, "llm", Started(), LLAMACPP_CHAT_MODEL="gpt-4o")
    assert report.ok
    assert f"does not list gpt-4o; it answered with what it serves: {MODEL}" in findings(report, "models")
    assert report.findings[-1].fix is not None


@pytest.mark.parametrize(("key", "is_ok"), [("", False), ("wrong", False), ("right", True)])
async def test_its_key_is_told_apart_from_everything_else(server: ModelServer, key: str, is_ok: bool) -> None:
    report = await checked(server, "llm", Started(key="right"), LLAMACPP_API_KEY=key)
    assert report.ok is is_ok
    assert [one.step for one in report.findings if not one.ok] == ([] if is_ok else ["key"])


async def test_a_server_without_embeddings_says_its_flag_and_one_that_embeds_is_offered(server: ModelServer) -> None:
    async with running(ports=(server.port + 1,)) as beside:
        play(beside, Started(embeddings=True))
        report = await checked(server, "embedding", Started())
    [failed] = [one for one in report.findings if not one.ok]
    assert (failed.step, "--embeddings" in str(failed.next_step)) == ("embedding", True)
    assert failed.fix is not None
    assert failed.fix.values == {"LLAMACPP_EMBEDDING_BASE_URL": beside.url}


async def test_a_neighbour_that_does_not_embed_is_not_offered(server: ModelServer) -> None:
    async with running(ports=(server.port + 1,)) as beside:
        play(beside, Started())
        report = await checked(server, "embedding", Started())
    assert [one.fix for one in report.findings if not one.ok] == [None]


async def test_a_wish_for_a_size_that_it_ignores_is_no_matryoshka(server: ModelServer) -> None:
    report = await checked(server, "embedding", Started(embeddings=True))
    assert (report.ok, report.dimensions) == (True, 8)
    assert "a wish for another is ignored" in findings(report, "embedding")


async def test_a_text_over_its_batch_fails_alone(server: ModelServer) -> None:
    play(server, Started(embeddings=True))
    embedder = build_embedder(chosen("embedding", "llamacpp", LLAMACPP_BASE_URL=server.url))
    outcomes = await embedder.embed_passages(["short", "word " * 600])
    assert outcomes[0].vector is not None
    assert isinstance(outcomes[1].error, ContextTooLong)
    assert "512 tokens" in outcomes[1].error.message
    assert "--ubatch-size" in outcomes[1].error.next_step


async def test_it_streams_and_counts_with_its_own_tokenizer(server: ModelServer) -> None:
    play(server, Started())
    model = build_chat_model(chosen("llm", "llamacpp", LLAMACPP_BASE_URL=server.url))
    end = [item async for item in model.stream(HI, ChatOptions(max_tokens=3))][-1]
    assert isinstance(end, StreamEnd)
    assert (end.finish_reason, end.usage.prompt_tokens, end.usage.completion_tokens) == ("length", 10, 3)
    assert await model.count_tokens(HI) == len(json.loads(REPLIES["apply-template"]["body"])["prompt"].split())
    assert server.asked("/tokenize")[-1].json()["content"].startswith("<|im_start|>user")


async def test_a_prompt_over_the_context_is_told(server: ModelServer) -> None:
    play(server, Started())
    model = build_chat_model(chosen("llm", "llamacpp", LLAMACPP_BASE_URL=server.url))
    with pytest.raises(ContextTooLong):
        [_ async for _ in model.stream([ChatMessage("user", "word " * 3000)], ChatOptions())]


def test_its_missing_file_is_no_missing_model() -> None:
    reply = REPLIES["no such route"]
    error = error_from_reply(Failed(404, {}, reply["body"].encode()), ErrorContext(model="m"))
    assert not isinstance(error, ModelNotFound)
