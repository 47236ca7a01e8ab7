"""The bound grows while the server has room, and shrinks where requests only wait for each other."""

from __future__ import annotations

import asyncio
import heapq

import pytest

from src.inference.embed import build_embedder
from src.inference.pacing import Pacing
from src.inference.queue_watch import waiting_in
from tests.fakes.chosen import chosen
from tests.fakes.model_server import Reply, running


def after(answers: int, seconds_at: dict[bool, float] | float, pacing: Pacing) -> int:
    """The bound after so many answers; a number means flat times, else the seconds grow with the bound."""
    for _ in range(answers):
        seconds = seconds_at if isinstance(seconds_at, float) else seconds_at[True] * pacing.limit
        pacing.answered(seconds, 30_000)
    return pacing.limit


def test_a_server_with_room_gets_all_it_can_take() -> None:
    assert after(40, 0.2, Pacing()) == 16


def test_a_server_that_only_queues_gets_few() -> None:
    assert 2 <= after(400, {True: 0.5}, Pacing()) <= 8


async def test_the_bound_stays_near_what_the_server_works_on_at_once() -> None:
    """Late answers tell of an earlier bound: heeded one by one they took it down to nothing and up again."""
    bounds = await played(Pacing(ceiling=192), places=32, answers=2_000)
    assert min(bounds[500:]) >= 32
    assert max(bounds[500:]) <= 110


def test_a_server_that_became_slower_is_not_kept_at_the_lowest_bound() -> None:
    pacing = Pacing()
    after(40, 0.2, pacing)
    assert after(60, 1.0, pacing) == 2
    assert after(400, 1.0, pacing) >= 4


async def played(pacing: Pacing, *, places: int, answers: int) -> list[int]:
    """The bound after each answer of a server that is always offered more, a second for each of its `places`."""
    free_at = [0.0] * places
    under_way: list[tuple[float, float]] = []
    bounds: list[int] = []
    now = 0.0
    slots = [pacing.slot() for _ in range(answers + 200)]
    sent = 0
    for number in range(answers):
        while sent - number < pacing.limit:
            await slots[sent].__aenter__()
            ends = max(now, heapq.heappop(free_at)) + 1.0
            heapq.heappush(free_at, ends)
            heapq.heappush(under_way, (ends, now))
            sent += 1
        now, sent_at = heapq.heappop(under_way)
        await slots[number].__aexit__(None, None, None)
        pacing.answered(now - sent_at, 30_000)
        bounds.append(pacing.limit)
    return bounds


def test_a_refusal_halves_the_bound() -> None:
    pacing = Pacing(start=16)
    pacing.pushed_back()
    assert pacing.limit == 8


def test_a_queue_of_more_than_a_request_takes_requests_away() -> None:
    pacing = Pacing(start=16)
    pacing.waited(20)
    few = pacing.limit
    pacing.waited(96)
    assert (few, pacing.limit) == (16, 15)


async def test_vllms_own_count_of_waiting_texts_is_heard_while_many_are_sent() -> None:
    async with running() as server:
        server.on("/metrics", Reply(body=b'vllm:num_requests_waiting{engine="0"} 640.0\n', content_type="text/plain"))
        pacing = Pacing(start=16)
        embedder = build_embedder(chosen("embedding", VLLM_BASE_URL=server.url), pacing=pacing)
        async with asyncio.timeout(30):
            while pacing.limit == 16:
                await embedder.embed_passages(["a few words"])
    assert pacing.limit == 12


@pytest.mark.parametrize(
    ("text", "waiting"), [('w{a="1"} 2.0\nw{a="2"} 3\n', 5.0), ("w_more 9\n", None), ("w 1e2\n", 100.0)]
)
def test_a_gauge_is_summed_over_its_labels(text: str, waiting: float | None) -> None:
    assert waiting_in(f"# HELP w\n{text}", "w") == waiting


async def test_a_cancelled_request_gives_its_place_back() -> None:
    pacing = Pacing(start=1, floor=1, ceiling=1)

    async def hold() -> None:
        async with pacing.slot():
            await asyncio.Event().wait()

    holder = asyncio.ensure_future(hold())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    holder.cancel()
    async with asyncio.timeout(10), pacing.slot():
        assert pacing.limit == 1
