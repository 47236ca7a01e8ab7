"""Only a cross-encoder reranks; an embedding model's /rerank is the cosine once more."""

from __future__ import annotations

import pytest

from src.errors import ProtocolError
from src.inference.discovery import forget_discoveries
from src.inference.rerank import Ranked, Reranker
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply


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


@pytest.mark.real_vllm
async def test_a_real_embedding_model_is_not_taken_for_a_cross_encoder(vllm_embedding_url: str) -> None:
    forget_discoveries()
    reranker = Reranker(chosen("rerank", VLLM_BASE_URL=vllm_embedding_url))
    ranked = await reranker.rank("a cat", ["the stock market", "a kitten"])
    assert [one.index for one in ranked] == [1, 0]
    assert not await reranker.is_cross_encoder()
