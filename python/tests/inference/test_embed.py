"""Embedding many texts: one honest outcome for each, whatever the server does."""

from __future__ import annotations

import asyncio
import base64
import math
from array import array
from typing import Any

import pytest

from src.errors import (
    ArchonError,
    AuthenticationFailed,
    ConfigurationError,
    ContextTooLong,
    InvalidInput,
    ModelNotFound,
    ProtocolError,
    QuotaExhausted,
    RateLimited,
    UnsupportedFeature,
)
from src.inference.client import Deadlines
from src.inference.embed import ProviderEmbedder
from src.inference.models import Embedded
from src.inference.pacing import Pacing
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply, Request, Silence, embeddings

NAMES = {"VLLM_EMBEDDING_MODEL": "fake-model"}


def at(server: ModelServer, **values: str) -> ProviderEmbedder:
    active = chosen("embedding", VLLM_BASE_URL=server.url, **{**NAMES, **values})
    return ProviderEmbedder(active, deadlines=Deadlines(), pacing=Pacing(start=4))


def vector_of(text: str) -> list[float]:
    return [float(len(text)), 1.0, 0.0, 0.5]


def honest(request: Request) -> Reply:
    return Reply(body=embeddings([vector_of(text) for text in request.json()["input"]]))


def errors_of(outcomes: list[Embedded]) -> dict[int, str]:
    return {index: type(one.error).__name__ for index, one in enumerate(outcomes) if one.error is not None}


async def test_vectors_come_back_in_the_order_of_the_texts(server: ModelServer) -> None:
    server.on("/v1/embeddings", honest)
    texts = ["x" * (index + 1) for index in range(100)]
    outcomes = await at(server).embed_passages(texts)
    assert [one.vector[0] for one in outcomes if one.vector] == [float(index + 1) for index in range(100)]


async def test_requests_are_small_until_it_is_known_how_many_a_server_takes(server: ModelServer) -> None:
    server.on("/v1/embeddings", honest)
    pacing = Pacing(start=4)
    active = chosen("embedding", VLLM_BASE_URL=server.url, **NAMES)
    embedder = ProviderEmbedder(active, deadlines=Deadlines(), pacing=pacing)

    async def sizes() -> list[int]:
        before = len(server.asked("/v1/embeddings"))
        outcomes = await embedder.embed_passages(["x" * (index + 1) for index in range(64)])
        assert [one.vector[0] for one in outcomes if one.vector] == [float(index + 1) for index in range(64)]
        return [len(asked.json()["input"]) for asked in server.asked("/v1/embeddings")[before:]]

    assert await sizes() == [8] * 8
    pacing.pushed_back()
    assert await sizes() == [32, 32]


async def test_what_was_not_sent_yet_does_not_fail_with_what_was(server: ModelServer) -> None:
    lacking = Reply(body=embeddings([[1.0, 0.0, 0.0, 0.5]]))
    server.on("/v1/embeddings", lambda r: lacking if "x" in r.json()["input"] else honest(r))
    outcomes = await at(server).embed_passages(["x" * (index + 1) for index in range(32)])
    assert errors_of(outcomes) == dict.fromkeys(range(8), "ProtocolError")


async def test_texts_that_somebody_waits_for_do_not_stand_in_the_line_of_a_crawl(server: ModelServer) -> None:
    server.on("/v1/embeddings", lambda r: Silence() if "crawled" in r.json()["input"] else honest(r))
    active = chosen("embedding", VLLM_BASE_URL=server.url, **NAMES)
    embedder = ProviderEmbedder(active, deadlines=Deadlines(), pacing=Pacing(start=2, ceiling=2))
    await embedder.identity()
    crawl = [asyncio.create_task(embedder.embed_passages(["crawled"])) for _ in range(8)]
    await server.busy.wait()
    [outcome] = await embedder.embed_passages(["a sentence"], somebody_waits=True)
    for task in crawl:
        task.cancel()
    assert list(outcome.vector or []) == vector_of("a sentence")


async def test_order_follows_the_index_not_the_place(server: ModelServer) -> None:
    def shuffled(request: Request) -> Reply:
        body = embeddings([vector_of(text) for text in request.json()["input"]])
        body["data"].reverse()
        return Reply(body=body)

    server.on("/v1/embeddings", shuffled)
    outcomes = await at(server).embed_passages(["a", "bb", "ccc"])
    assert [one.vector[0] for one in outcomes if one.vector] == [1.0, 2.0, 3.0]


async def test_base64_is_asked_for_and_read_and_no_size_is_sent(server: ModelServer) -> None:
    packed = base64.b64encode(array("f", [0.25, -1.0]).tobytes()).decode()
    server.on("/v1/embeddings", Reply(body={"data": [{"index": 0, "embedding": packed}]}))
    vector = await at(server, EMBEDDING_DIMENSIONS="1536").embed_query("Hi")
    assert vector == array("f", [0.25, -1.0])
    assert server.asked("/v1/embeddings")[0].json() == {
        "model": "fake-model",
        "input": ["Hi"],
        "encoding_format": "base64",
    }


async def test_only_the_refused_text_fails_and_its_neighbours_are_stored(server: ModelServer) -> None:
    def strict(request: Request) -> Reply:
        if "bad" in request.json()["input"]:
            return Reply(400, {"error": {"message": "too long", "param": "input_text", "code": 400}})
        return honest(request)

    server.on("/v1/embeddings", strict)
    outcomes = await at(server).embed_passages([f"text {index}" for index in range(20)] + ["bad", "last"])
    assert errors_of(outcomes) == {20: "ContextTooLong"}


async def test_a_text_known_to_be_too_long_is_not_sent(server: ModelServer) -> None:
    outcomes = await at(server).embed_passages(["short", "word " * 300])
    assert isinstance(outcomes[1].error, ContextTooLong)
    assert "300 tokens" in outcomes[1].error.message
    assert [request.json()["input"] for request in server.asked("/v1/embeddings")] == [["short"]]


async def test_blank_texts_and_half_characters_are_refused_alone(server: ModelServer) -> None:
    outcomes = await at(server).embed_passages(["a", "  ", "x\ud83dy", "b"])
    assert errors_of(outcomes) == {1: "InvalidInput", 2: "InvalidInput"}
    assert isinstance(outcomes[1].error, InvalidInput)


async def test_too_few_vectors_fail_the_batch_and_too_many_are_dropped(server: ModelServer) -> None:
    embedder = at(server)
    server.on("/v1/embeddings", Reply(body=embeddings([[1.0, 0.0]])))
    assert errors_of(await embedder.embed_passages(["a", "b"])) == {0: "ProtocolError", 1: "ProtocolError"}
    server.on("/v1/embeddings", Reply(body=embeddings([[1.0, 0.0]] * 3)))
    assert errors_of(await embedder.embed_passages(["a", "b"])) == {}


@pytest.mark.parametrize("bad", [[math.nan, 1.0], [math.inf, 1.0], [0.0, 0.0], [1.0], [], ["a", "b"]])
async def test_a_vector_that_must_not_be_stored_is_an_error(server: ModelServer, bad: list[Any]) -> None:
    embedder = at(server)
    server.on("/v1/embeddings", Reply(body=embeddings([[1.0, 0.0]])))
    await embedder.identity()
    server.on("/v1/embeddings", Reply(body=embeddings([[1.0, 0.0], bad])))
    outcomes = await embedder.embed_passages(["a", "b"])
    assert outcomes[0].vector is not None
    assert isinstance(outcomes[1].error, ProtocolError)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Reply(401, {"error": "Unauthorized"}), AuthenticationFailed),
        (Reply(429, {"error": {"message": "x", "code": "insufficient_quota"}}), QuotaExhausted),
        (Reply(400, {"error": {"message": "does not support Matryoshka embeddings"}}), UnsupportedFeature),
    ],
)
async def test_what_cannot_heal_stops_everything_at_once(
    server: ModelServer, answer: Reply, expected: type[ArchonError]
) -> None:
    server.on("/v1/embeddings", answer)
    outcomes = await at(server).embed_passages([f"text {index}" for index in range(1000)])
    assert {type(one.error) for one in outcomes} == {expected}
    assert len(server.asked("/v1/embeddings")) <= 8


async def test_a_rate_limit_is_waited_for_as_told(server: ModelServer) -> None:
    answers = iter([Reply(429, {"error": "slow"}, {"retry-after": "0"}), Reply(429, b"", {"retry-after-ms": "5"})])
    server.on("/v1/embeddings", lambda request: next(answers, None) or honest(request))
    assert errors_of(await at(server).embed_passages(["a"])) == {}
    assert len(server.asked("/v1/embeddings")) == 3


async def test_a_longer_wait_than_is_sensible_is_an_error_with_its_seconds(server: ModelServer) -> None:
    server.on("/v1/embeddings", Reply(429, b"", {"retry-after": "600"}))
    with pytest.raises(RateLimited) as caught:
        await at(server).embed_query("a")
    assert caught.value.context.retry_after_s == 600.0


async def test_a_request_that_is_wrong_in_itself_is_not_halved_for_ever(server: ModelServer) -> None:
    server.on("/v1/embeddings", Reply(400, {"error": {"message": "encoding_format is not known here"}}))
    outcomes = await at(server).embed_passages([f"text {index}" for index in range(640)])
    assert len(errors_of(outcomes)) == 640
    assert len(server.asked("/v1/embeddings")) < 100


async def test_prefixes_of_known_models_stand_before_question_and_passage(server: ModelServer) -> None:
    server.on("/v1/embeddings", honest)
    embedder = at(server, VLLM_EMBEDDING_MODEL="intfloat/e5-base-v2")
    await embedder.embed_query("q")
    await embedder.embed_passages(["p"])
    assert [one.json()["input"] for one in server.asked("/v1/embeddings")] == [["query: q"], ["passage: p"]]
    assert (await embedder.identity()).passage_prefix == "passage: "


async def test_a_prefix_setting_overrides_the_card(server: ModelServer) -> None:
    embedder = at(server, VLLM_EMBEDDING_MODEL="e5-base-v2", VLLM_QUERY_PREFIX="none", VLLM_PASSAGE_PREFIX="doc:")
    await embedder.embed_query("q")
    await embedder.embed_passages(["p"])
    assert [one.json()["input"] for one in server.asked("/v1/embeddings")] == [["q"], ["doc: p"]]


async def test_no_more_requests_are_under_way_than_the_bound(server: ModelServer) -> None:
    active = chosen("embedding", VLLM_BASE_URL=server.url, **NAMES)
    embedder = ProviderEmbedder(active, deadlines=Deadlines(), pacing=Pacing(start=3, ceiling=3))
    await embedder.embed_passages([f"text {index}" for index in range(600)])
    assert 1 <= server.most_at_once <= 3


async def test_several_models_and_none_chosen_is_a_configuration_error(server: ModelServer) -> None:
    server.on("/v1/models", Reply(body={"data": [{"id": "one"}, {"id": "two"}]}))
    with pytest.raises(ConfigurationError, match="one, two"):
        await at(server, VLLM_EMBEDDING_MODEL="").embed_passages(["a"])
    assert server.asked("/v1/embeddings") == []


async def test_the_only_served_model_is_used_where_none_is_chosen(server: ModelServer) -> None:
    embedder = at(server, VLLM_EMBEDDING_MODEL="")
    assert (await embedder.identity()).model == "fake-model"
    assert embedder.model == "fake-model"


async def test_a_server_that_came_back_with_another_model_is_asked_anew(server: ModelServer) -> None:
    embedder = at(server, VLLM_EMBEDDING_MODEL="")
    await embedder.embed_query("a")
    server.on("/v1/models", Reply(body={"data": [{"id": "other"}]}))
    server.on("/v1/embeddings", Reply(404, {"error": {"message": "no", "type": "NotFoundError"}}))
    with pytest.raises(ModelNotFound):
        await embedder.embed_query("a")
    server.on("/v1/embeddings", honest)
    await embedder.embed_query("a")
    assert server.asked("/v1/embeddings")[-1].json()["model"] == "other"


async def test_a_dead_server_fails_every_text_and_raises_nothing(server: ModelServer) -> None:
    embedder = at(server)
    server.on("/v1/models", Reply(500, b""))
    outcomes = await embedder.embed_passages(["a", "b"])
    assert errors_of(outcomes) == {0: "ServerFailure", 1: "ServerFailure"}
