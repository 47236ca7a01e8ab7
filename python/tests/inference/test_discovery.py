"""What a server is: asked once by all who wait for it, and anew after something changed."""

from __future__ import annotations

import asyncio

import pytest

from src.errors import ConnectionBroken, ProviderError
from src.inference.discovery import Discovery, discover, forget_discoveries
from src.inference.provider import Endpoint
from src.inference.registry import load_registry
from tests.fakes.model_server import ModelServer, Reply, Reset, model_row

VLLM = load_registry().get("vllm")


def endpoint(server: ModelServer) -> Endpoint:
    return Endpoint(base_url=f"{server.url}/v1", api_key=None)


async def test_many_who_begin_together_ask_once(server: ModelServer) -> None:
    found = await asyncio.gather(*(discover(VLLM, endpoint(server)) for _ in range(20)))
    assert {one.names() for one in found} == {("fake-model",)}
    assert [one.path for one in server.requests].count("/v1/models") == 1


async def test_who_leaves_does_not_take_the_answer_from_the_others(server: ModelServer) -> None:
    first = asyncio.create_task(discover(VLLM, endpoint(server)))
    second = asyncio.create_task(discover(VLLM, endpoint(server)))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).names() == ("fake-model",)
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_failure_is_told_to_all_and_not_kept(server: ModelServer) -> None:
    server.on("/version", Reset())
    answers = await asyncio.gather(*(discover(VLLM, endpoint(server)) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(one, ConnectionBroken) for one in answers)
    server.on("/version", Reply(200, {"version": "0.32.0"}))
    assert (await discover(VLLM, endpoint(server))).version == "0.32.0"


async def test_who_asks_after_something_changed_does_not_get_what_was_asked_before(server: ModelServer) -> None:
    before = asyncio.create_task(discover(VLLM, endpoint(server)))
    await asyncio.sleep(0)
    forget_discoveries()
    server.on("/v1/models", Reply(200, {"data": [model_row("another-model")]}))
    after: Discovery = await discover(VLLM, endpoint(server))
    assert after.names() == ("another-model",)
    assert isinstance((await asyncio.gather(before, return_exceptions=True))[0], Discovery | ProviderError)
