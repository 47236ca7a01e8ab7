"""Only a cross-encoder reranks; an embedding model's /rerank is the cosine once more."""

from __future__ import annotations

import pytest

from src.errors import EndpointNotFound, ProtocolError
from src.inference.discovery import ServerClient, discover, forget_discoveries, resolve_model
from src.inference.rerank import Ranked, Reranker
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply, scores


def at(server: ModelServer) -> Reranker:
    return Reranker(chosen("rerank", VLLM_BASE_URL=server.url, VLLM_RERANK_MODEL="fake-model"))


def results(*scores: float) -> dict[str, object]:
    """vLLM 0.32.0's wire: sorted by score, each with its index (seen 2026-11-21)."""
    rows = [{"index": at, "document": {"text": "x"}, "relevance_score": score} for at, score in enumerate(scores)]
    return {"id": "score-1", "model": "m", "results": sorted(rows, key=lambda row: -float(str(row["relevance_score"])))}


async def test_documents_come_back_best_first_with_their_places(server: ModelServer) -> None:
    server.on("/v1/rerank", Reply(body=results(0.1, 0.9)))
    assert await at(server).rank("q", ["a", "b"]) == [Ranked(1, 0.9), Ranked(0, 0.1)]


async def test_a_ranking_that_lost_a_document_is_no_ranking(server: ModelServer) -> None:
    server.on("/v1/rerank", Reply(body=results(0.1)))
    with pytest.raises(ProtocolError):
        await at(server).rank("q", ["a", "b"])


async def test_scores_that_are_the_cosine_are_no_cross_encoder(server: ModelServer) -> None:
    server.on("/v1/rerank", Reply(body=results(1.0)))
    assert not await at(server).is_cross_encoder()
    server.on("/v1/rerank", Reply(body=results(-4.2)))
    assert await at(server).is_cross_encoder()


async def test_a_server_without_an_embeddings_route_is_a_cross_encoder(server: ModelServer) -> None:
    server.kinds = frozenset({"/v1/rerank"})
    assert await at(server).is_cross_encoder()


async def test_a_server_that_only_scores_ranks_too(server: ModelServer) -> None:
    server.kinds = frozenset({"/v1/embeddings"})
    server.on("/score", scores(-4.1, 3.2))
    reranker = at(server)
    assert await reranker.rank("q", ["a", "b"]) == [Ranked(1, 3.2), Ranked(0, -4.1)]
    assert server.asked("/score")[0].json() == {
        "model": "fake-model", "text_1": "q", "text_2": ["a", "b"], "truncate_prompt_tokens": -1,
    }  # fmt: skip
    await reranker.rank("q", ["a", "b"])
    assert [len(server.asked(path)) for path in ("/v1/rerank", "/score")] == [1, 2]


async def test_a_server_that_neither_ranks_nor_scores_is_told_by_the_route_that_was_meant(server: ModelServer) -> None:
    server.kinds = frozenset({"/v1/embeddings"})
    with pytest.raises(EndpointNotFound) as caught:
        await at(server).rank("q", ["a"])
    assert str(caught.value.context.url).endswith("/v1/rerank")


async def test_a_server_that_only_scores_is_known_as_a_reranker(server: ModelServer) -> None:
    server.kinds = frozenset()
    server.on("/score", lambda request: Reply(405, {}) if request.method == "GET" else scores(0.5))
    active = chosen("rerank", VLLM_BASE_URL=server.url)
    assert (await discover(active.provider, active.endpoint, fresh=True)).capabilities == {"rerank"}


@pytest.mark.real_vllm
async def test_a_real_server_scores_as_it_ranks(vllm_embedding_url: str) -> None:
    active = chosen("rerank", VLLM_BASE_URL=vllm_embedding_url)
    body = {"model": await resolve_model(active), "text_1": "a cat", "text_2": ["stocks", "a kitten"]}
    answer = await ServerClient(active.provider, active.endpoint).post(f"{vllm_embedding_url}/score", body, "rerank")
    ranked = await Reranker(active).rank("a cat", ["stocks", "a kitten"])
    assert {(one.index, one.score) for one in ranked} == {(row["index"], row["score"]) for row in answer["data"]}


@pytest.mark.real_vllm
async def test_a_real_embedding_model_is_not_taken_for_a_cross_encoder(vllm_embedding_url: str) -> None:
    forget_discoveries()
    reranker = Reranker(chosen("rerank", VLLM_BASE_URL=vllm_embedding_url))
    ranked = await reranker.rank("a cat", ["the stock market", "a kitten"])
    assert [one.index for one in ranked] == [1, 0]
    assert not await reranker.is_cross_encoder()
