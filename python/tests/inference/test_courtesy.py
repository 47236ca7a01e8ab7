"""People come first: a crawl sends nothing new to a machine while somebody waits for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from src.inference.chat import build_chat_model
from src.inference.courtesy import Courtesy, courtesy_on
from src.inference.embed import build_embedder
from src.inference.models import ChatMessage, ChatOptions, Embedder
from src.inference.pacing import Pacing, pacing_for
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Silence, running

FOREVER_S = 3600.0


@pytest.fixture
async def embedder() -> AsyncIterator[tuple[Embedder, ModelServer]]:
    """An embedder, warm, and its server."""
    async with running() as server:
        ready = build_embedder(chosen("embedding", VLLM_BASE_URL=server.url))
        await ready.identity()
        yield ready, server


async def test_a_crawl_gives_way_until_nobody_waits() -> None:
    courtesy = Courtesy()
    with courtesy.somebody_waits():
        giving = asyncio.create_task(courtesy.give_way(FOREVER_S))
        with courtesy.somebody_waits():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not giving.done()
    await giving


async def test_a_crawl_does_not_stand_still_for_people_who_always_wait() -> None:
    courtesy = Courtesy()
    with courtesy.somebody_waits():
        await courtesy.give_way(0.01)


@pytest.mark.parametrize("other", ["http://localhost:2/v1", "http://[::1]:3"])
async def test_servers_of_one_machine_are_one(other: str) -> None:
    assert courtesy_on("http://127.0.0.1:1") is courtesy_on(other)
    assert courtesy_on("http://gpu.test:1") is not courtesy_on(other)


async def test_passages_wait_for_the_first_token_of_an_answer_on_their_machine(
    embedder: tuple[Embedder, ModelServer], server: ModelServer
) -> None:
    ready, embedding = embedder
    server.on("/v1/chat/completions", Silence())
    chat = build_chat_model(chosen("llm", VLLM_BASE_URL=server.url))
    asking = asyncio.create_task(anext(chat.stream([ChatMessage("user", "Hi")], ChatOptions())))
    await server.busy.wait()
    before = len(embedding.asked("/v1/embeddings"))
    crawling = asyncio.create_task(ready.embed_passages(["a passage"]))
    await courtesy_on(server.url).give_way(0.2)
    assert len(embedding.asked("/v1/embeddings")) == before
    asking.cancel()
    assert (await crawling)[0].vector is not None


async def test_a_slow_server_has_one_request_under_way_while_people_are_there() -> None:
    courtesy, pacing = Courtesy(), Pacing(start=4)
    with courtesy.somebody_waits():
        pass
    async with pacing.slot(courtesy):
        second = asyncio.create_task(pacing.slot(courtesy).__aenter__())
        async with pacing.slot():
            await asyncio.sleep(0)
        assert not second.done()
    await second


async def test_a_fast_server_goes_on_beside_people() -> None:
    courtesy, pacing = Courtesy(), Pacing(start=8)
    with courtesy.somebody_waits():
        pass
    async with pacing.slot(courtesy), pacing.slot(courtesy):
        assert courtesy.somebody_was_here


async def test_a_question_is_embedded_at_once_though_others_wait(embedder: tuple[Embedder, ModelServer]) -> None:
    ready, server = embedder
    with courtesy_on(server.url).somebody_waits():
        assert await ready.embed_query("Why?")


async def test_a_slow_server_is_given_few_passages_at_a_time_after_a_question(
    embedder: tuple[Embedder, ModelServer],
) -> None:
    ready, server = embedder
    texts = [f"passage {number}" for number in range(20)]

    async def sizes() -> list[int]:
        before = len(server.asked("/v1/embeddings"))
        await ready.embed_passages(texts)
        return [len(asked.json()["input"]) for asked in server.asked("/v1/embeddings")[before:]]

    pacing_for(f"{server.url}/v1").pushed_back()  # it is known how much the server takes
    assert await sizes() == [20]
    await ready.embed_query("Why?")
    assert await sizes() == [8, 8, 4]
