"""The bound grows while the server has room, and shrinks where requests only wait for each other."""

from __future__ import annotations

import asyncio

from src.inference.pacing import Pacing


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


def test_a_refusal_halves_the_bound() -> None:
    pacing = Pacing(start=16)
    pacing.pushed_back()
    assert pacing.limit == 8


async def test_a_cancelled_request_gives_its_place_back() -> None:
    pacing = Pacing(start=1, floor=1, ceiling=1)

    async def hold() -> None:
        async with pacing.slot():
            await asyncio.Event().wait()

    holder = asyncio.ensure_future(hold())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    holder.cancel()
    async with asyncio.timeout(1), pacing.slot():
        assert pacing.limit == 1
