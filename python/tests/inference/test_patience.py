"""Waits that end: with what was waited for, with TimeoutError, or with the cancellation of whoever waits."""

from __future__ import annotations

import asyncio

import pytest

from src.inference.patience import Patience

LONG_S = 30.0


async def test_what_comes_in_time_is_given() -> None:
    patience = Patience()
    for number in range(3):
        with patience.within(LONG_S):
            assert await asyncio.sleep(0, number) == number
    patience.close()


async def test_a_wait_that_is_too_long_ends_with_a_time_out() -> None:
    patience = Patience()
    with pytest.raises(TimeoutError), patience.within(0.01):
        await asyncio.sleep(LONG_S)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_end_of_a_wait_that_is_over_does_not_end_the_next_one() -> None:
    patience = Patience()
    with patience.within(0.01):
        pass
    with patience.within(LONG_S):
        await asyncio.sleep(0.05)
    patience.close()


async def test_a_shorter_wait_behind_a_longer_one_ends_in_its_own_time() -> None:
    patience = Patience()
    with patience.within(LONG_S):
        await asyncio.sleep(0)
    async with asyncio.timeout(LONG_S / 2):
        with pytest.raises(TimeoutError), patience.within(0.01):
            await asyncio.sleep(LONG_S)


async def test_nothing_ends_between_two_waits() -> None:
    patience = Patience()
    with patience.within(0.01):
        pass
    await asyncio.sleep(0.05)
    with patience.within(LONG_S):
        await asyncio.sleep(0)
    patience.close()


async def test_a_cancellation_from_outside_is_no_time_out() -> None:
    patience = Patience()

    async def waiting() -> None:
        with patience.within(LONG_S):
            await asyncio.sleep(LONG_S)

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    patience.close()


async def test_a_cancellation_at_the_same_moment_stays_one() -> None:
    patience = Patience()

    async def waiting() -> None:
        with patience.within(0.01):
            try:
                await asyncio.sleep(LONG_S)
            finally:
                asyncio.current_task().cancel()  # type: ignore[union-attr]

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(waiting())
