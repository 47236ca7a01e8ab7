"""A reranker has the last word on the order, and never costs the search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from src.errors import ConfigurationError
from src.inference.discovery import forget_discoveries
from src.inference.rerank import Reranker
from src.search.query import SearchService
from src.search.reranking import Ranker, candidates
from src.store.postgres import PostgresDatabase
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply, Request, ranking, running

from .conftest import giving
from .shelf import WireEmbedder

QUESTION = "How do I water the plants?"
Searching = Callable[[Callable[[], Awaitable[Ranker | None]]], SearchService]


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model server that speaks vLLM's rerank wire: the last document fits best."""
    forget_discoveries()
    async with running() as one:
        one.kinds = frozenset({"/v1/rerank"})
        one.on("/v1/rerank", last_is_best)
        yield one


@pytest.fixture
def searching(space: int, database: PostgresDatabase, embedder: WireEmbedder) -> Searching:
    """A search over the filled store with that reranker."""
    return lambda ranker: SearchService(database, giving(embedder), ranker)


def last_is_best(request: Request) -> Reply:
    return ranking([float(at) for at in range(len(request.json()["documents"]))])


def at(server: ModelServer) -> Callable[[], Awaitable[Ranker | None]]:
    async def give() -> Ranker | None:
        return Reranker(chosen("rerank", VLLM_BASE_URL=server.url))

    return give


async def none() -> Ranker | None:
    return None


async def test_the_reranker_decides_the_order(searching: Searching, server: ModelServer) -> None:
    plain = await searching(none).search(QUESTION, limit=3)
    found = await searching(at(server)).search(QUESTION, limit=3)
    body = found.to_dict()
    assert body["reranking_applied"] is True
    assert [row["rerank_score"] for row in body["results"]] == sorted(found.rerank_scores.values())[:-4:-1]  # type: ignore[index,call-overload,union-attr]
    assert found.hits != plain.hits


async def test_pages_come_in_the_order_of_their_best_passages(searching: Searching, server: ModelServer) -> None:
    as_chunks = await searching(at(server)).search(QUESTION, limit=50)
    as_pages = await searching(at(server)).search(QUESTION, limit=50, mode="pages")
    order = list(dict.fromkeys(hit.page_id for hit in as_chunks.hits))
    assert [hit.page.page_id for hit in as_pages.pages] == order


async def test_without_a_reranker_nothing_is_said_of_one(searching: Searching) -> None:
    body = (await searching(none).search(QUESTION)).to_dict()
    assert (body["reranking_applied"], body["reranking_problem"]) == (False, None)


@pytest.mark.parametrize(("status", "code"), [(401, "provider_authentication"), (500, "provider_failure")])
async def test_a_reranker_that_fails_costs_its_opinion_and_not_the_search(
    searching: Searching, server: ModelServer, status: int, code: str
) -> None:
    server.on("/v1/rerank", Reply(status, {"error": {"message": "no"}}))
    found = await searching(at(server)).search(QUESTION)
    assert found.hits == (await searching(none).search(QUESTION, limit=25)).hits[:5]
    assert found.to_dict()["reranking_problem"]["code"] == code  # type: ignore[index,call-overload]


async def test_a_reranker_that_is_not_set_up_is_told(searching: Searching) -> None:
    async def broken() -> Ranker | None:
        raise ConfigurationError("No address is set")

    found = await searching(broken).search(QUESTION)
    assert found.hits
    assert found.to_dict()["reranking_problem"]["code"] == "configuration"  # type: ignore[index,call-overload]


@pytest.mark.real_vllm
async def test_a_real_embedding_model_is_never_asked_for_the_order(
    searching: Searching, vllm_embedding_url: str
) -> None:
    async def cosine() -> Ranker | None:
        return Reranker(chosen("rerank", VLLM_BASE_URL=vllm_embedding_url))

    found = await searching(cosine).search(QUESTION)
    assert found.to_dict()["reranking_applied"] is False
    assert found.reranking_problem is not None
    assert "embedding model" in found.reranking_problem.message


def test_more_candidates_are_read_than_are_shown() -> None:
    assert [candidates(limit) for limit in (1, 5, 30, 200)] == [5, 25, 100, 200]
