"""A check names the step that fails, says what to do, and offers what was tried and works."""

from __future__ import annotations

import json

import pytest

from src.inference.check import check, offered_models, provider_status
from src.inference.check_report import CheckReport, Finding
from src.inference.provider import Service
from src.inference.registry import load_registry
from tests.fakes.model_server import (
    ModelServer,
    Reply,
    Request,
    Stream,
    completion,
    default_answer,
    ranking,
    running,
)

VLLM = load_registry().get("vllm")
NO_TOOLS = {"message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'}
FIELDS = {
    "ok", "provider", "service", "base_url", "latency_ms", "server", "model", "max_model_len", "dimensions",
    "models", "findings", "error",
}  # fmt: skip


async def looked_at(server: ModelServer, service: Service = "llm", **values: str) -> CheckReport:
    return await check(VLLM, service, {"VLLM_BASE_URL": server.url, **values})


def bad(report: CheckReport) -> Finding:
    [finding] = [one for one in report.findings if not one.ok]
    return finding


def step(report: CheckReport, name: str) -> Finding:
    return next(one for one in report.findings if one.step == name)


async def test_a_healthy_chat_server_is_green_all_the_way(server: ModelServer) -> None:
    report = await looked_at(server)
    assert (report.ok, report.server, report.model, report.max_model_len) == (True, "vLLM 0.32.0", "fake-model", 128)
    steps = [one.step for one in report.findings]
    walk = ["settings", "name", "connect", "server", "models", "kind", "models", "context"]
    assert steps == [*walk, "chat", "tools", "json_schema"]


async def test_a_healthy_embedding_server_shows_its_measured_size(server: ModelServer) -> None:
    report = await looked_at(server, "embedding")
    assert (report.ok, report.dimensions) == (True, 4)
    assert "no reranker" in step(report, "rerank").message
    assert report.to_dict()["models"] == [{"name": "fake-model", "max_model_len": 128, "dimensions": 4}]


async def test_the_body_is_what_rest_promises(server: ModelServer) -> None:
    body = (await looked_at(server)).to_dict()
    assert set(body) == FIELDS
    assert set(body["findings"][0]) == {"step", "ok", "message", "detail", "next_step", "fix"}  # type: ignore[index,arg-type]
    assert json.loads(json.dumps(body)) == body


async def test_tools_that_are_off_are_told_with_the_flags_and_are_no_failure(server: ModelServer) -> None:
    def without_tools(request: Request) -> Reply | Stream:
        return Reply(400, {"error": NO_TOOLS}) if "tools" in request.json() else default_answer(request)

    server.on("/v1/chat/completions", without_tools)
    report = await looked_at(server)
    assert report.ok
    assert "--enable-auto-tool-choice" in str(step(report, "tools").next_step)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Reply(body=completion('{"ok": true}')), "keep to a JSON schema"),
        (Reply(body=completion("Yes, it is.")), "accepted and ignored"),
        (Reply(body=completion('{"ok', finish_reason="length")), "was cut"),
        (Reply(400, {"error": {"message": "Grammar error: Unimplemented keys"}}), "cannot"),
        (Reply(500, b""), "could not be found out"),
    ],
)
async def test_json_schemas_are_tried_and_never_a_failure(server: ModelServer, answer: Reply, words: str) -> None:
    def schema(request: Request) -> Reply | Stream:
        return answer if "response_format" in request.json() else default_answer(request)

    server.on("/v1/chat/completions", schema)
    report = await looked_at(server)
    assert report.ok
    assert words in step(report, "json_schema").message


async def test_a_cross_encoder_is_green(server: ModelServer) -> None:
    server.on("/v1/rerank", scores)
    server.kinds = frozenset({"/v1/rerank"})
    report = await looked_at(server, "rerank")
    assert (report.ok, report.model, report.error) == (True, "fake-model", None)
    assert "cross-encoder" in step(report, "rerank").message


async def test_an_embedding_model_is_shown_as_no_reranker_and_a_cross_encoder_beside_it_offered(
    server: ModelServer,
) -> None:
    async with running(ports=(server.port + 1, server.port - 1)) as beside:
        beside.on("/v1/rerank", scores)
        beside.kinds = frozenset({"/v1/rerank"})
        report = await looked_at(server, "rerank")
    assert bad(report).step == "rerank"
    assert "embedding model" in bad(report).message
    assert bad(report).fix.values == {"VLLM_RERANK_BASE_URL": beside.url}  # type: ignore[union-attr]


async def test_an_embedding_model_beside_is_never_offered_as_a_reranker(server: ModelServer) -> None:
    server.kinds = frozenset({"/v1/chat/completions"})
    async with running(ports=(server.port + 1, server.port - 1)) as beside:
        beside.kinds = frozenset({"/v1/embeddings", "/v1/rerank"})
        report = await looked_at(server, "rerank")
    assert (bad(report).step, bad(report).fix) == ("kind", None)


def scores(request: Request) -> Reply:
    """A cross-encoder's opinion: logits, one a document."""
    return ranking([5.0 - 3.0 * at for at in range(len(request.json()["documents"]))])


async def test_an_odd_address_is_understood_and_a_plain_one_offered(server: ModelServer) -> None:
    report = await looked_at(server, VLLM_BASE_URL=server.url.replace("://", "//") + "/v1/chat/completions")
    assert report.ok
    assert step(report, "settings").fix is not None
    assert step(report, "settings").fix.values == {"VLLM_BASE_URL": server.url}  # type: ignore[union-attr]


async def test_a_wrong_model_offers_the_served_one(server: ModelServer) -> None:
    server.on("/v1/chat/completions", Reply(404, {"error": {"message": "no", "type": "NotFoundError", "code": 404}}))
    report = await looked_at(server, VLLM_CHAT_MODEL="Fake-Model")
    assert bad(report).step == "models"
    assert bad(report).fix.values == {"VLLM_CHAT_MODEL": "fake-model"}  # type: ignore[union-attr]
    assert report.to_dict()["error"]["field"] == "VLLM_CHAT_MODEL"  # type: ignore[index,call-overload]


async def test_several_models_and_none_chosen_asks_to_choose(server: ModelServer) -> None:
    server.on("/v1/models", Reply(body={"data": [{"id": "one"}, {"id": "two"}]}))
    report = await looked_at(server)
    assert "one, two" in bad(report).message
    assert bad(report).fix is not None


async def test_a_key_that_is_wanted_is_the_named_step_and_field(server: ModelServer) -> None:
    server.on("/v1/models", Reply(401, {"error": "Unauthorized"}))
    report = await looked_at(server)
    assert bad(report).step == "key"
    assert report.to_dict()["error"]["field"] == "VLLM_API_KEY"  # type: ignore[index,call-overload]


async def test_a_server_of_the_other_kind_leads_to_the_right_one_beside_it(server: ModelServer) -> None:
    server.kinds = frozenset({"/v1/chat/completions"})
    async with running(ports=(server.port + 1, server.port - 1)) as beside:
        beside.kinds = frozenset({"/v1/embeddings"})
        report = await looked_at(server, "embedding")
        assert bad(report).fix.values == {"VLLM_EMBEDDING_BASE_URL": beside.url}  # type: ignore[union-attr]


async def test_a_server_of_the_other_kind_is_said_to_be_one(server: ModelServer) -> None:
    server.kinds = frozenset({"/v1/chat/completions"})
    report = await looked_at(server, "embedding")
    assert bad(report).step == "kind"
    assert "generates text" in bad(report).message


@pytest.mark.parametrize(
    ("url", "name", "words"),
    [
        ("", "settings", "No address"),
        ("http://no-such-host.invalid:8000", "name", "cannot be resolved"),
        ("http://127.0.0.1:9", "connect", "Nothing listens"),
        ("http://u:p@h", "settings", "user name"),
    ],
)
async def test_the_first_failing_step_is_named(url: str, name: str, words: str) -> None:
    report = await check(VLLM, "llm", {"VLLM_BASE_URL": url})
    assert (report.ok, bad(report).step) == (False, name)
    assert words in bad(report).message
    assert bad(report).next_step


async def test_https_where_plain_http_is_spoken_offers_http(server: ModelServer) -> None:
    report = await looked_at(server, VLLM_BASE_URL=server.url.replace("http:", "https:"))
    assert bad(report).step == "tls"
    assert bad(report).fix.values == {"VLLM_BASE_URL": server.url}  # type: ignore[union-attr]


async def test_a_web_page_in_place_of_the_api_is_told(server: ModelServer) -> None:
    server.on("/v1/models", Reply(200, b"<html><title>Welcome</title></html>", content_type="text/html"))
    assert "a web page" in bad(await looked_at(server)).message


async def test_no_key_reaches_a_report(server: ModelServer) -> None:
    server.on("/v1/models", Reply(401, {"error": {"message": "bad key sekret-key-1"}}))
    report = await looked_at(server, VLLM_API_KEY="sekret-key-1")
    assert "sekret-key-1" not in json.dumps(report.to_dict())


async def test_models_are_listed_for_the_form(server: ModelServer) -> None:
    models = await offered_models(VLLM, "llm", {"VLLM_BASE_URL": server.url})
    assert [one.name for one in models] == ["fake-model"]


async def test_the_status_of_v1_keeps_its_words(server: ModelServer) -> None:
    values = {"VLLM_BASE_URL": server.url}
    assert await provider_status(VLLM, {}) == {"ok": False, "reason": "no_key", "provider": "vllm"}
    assert await provider_status(VLLM, values) == {"ok": True, "reason": "connected", "provider": "vllm"}
    server.on("/v1/models", Reply(500, b""))
    assert (await provider_status(VLLM, values))["reason"] == "connection_failed"


async def test_a_server_that_loads_is_told_from_one_that_is_down(server: ModelServer) -> None:
    server.on("/v1/models", Reply(503, {"error": {"message": "Loading model", "code": 503}}))
    body = (await looked_at(server)).to_dict()["error"]
    assert (body["code"], body["retryable"]) == ("overloaded", True)  # type: ignore[index,call-overload]


async def test_a_retired_model_is_told_from_a_bad_key(server: ModelServer) -> None:
    gone = {"message": "The model `old` has been deprecated and is no longer available.", "code": "model_not_found"}
    server.on("/v1/chat/completions", Reply(404, {"error": gone}))
    report = await looked_at(server, VLLM_CHAT_MODEL="old", VLLM_API_KEY="sekret-key-1")
    assert bad(report).step == "models"
    assert "retired" in bad(report).message
    assert "the key is not the reason" in str(bad(report).next_step)
