"""At the database, a person's search goes before the pages of an ingest."""

from __future__ import annotations

import asyncio

import pytest

from src.store import page_calls
from src.store.page_calls import Turns


async def _pages(turns: Turns, begun: list[int], number: int) -> None:
    async with turns.page():
        begun.append(number)


async def test_no_page_begins_while_somebody_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_calls, "_GIVES_WAY_S", 60.0)
    turns, begun = Turns(2), list[int]()
    with turns.search():
        with turns.search():
            waiting = [asyncio.create_task(_pages(turns, begun, number)) for number in range(3)]
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.02)
        assert begun == []
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    assert sorted(begun) == [0, 1, 2]


async def test_pages_go_on_however_many_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_calls, "_GIVES_WAY_S", 0.01)
    turns, begun = Turns(1), list[int]()
    async with asyncio.timeout(5):
        with turns.search():
            await asyncio.gather(*(_pages(turns, begun, number) for number in range(3)))
    assert begun == [0, 1, 2]


async def test_pages_are_stored_one_by_one_while_somebody_searches_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns, at_once, most = Turns(3), 0, list[int]()

    async def page() -> None:
        nonlocal at_once
        async with turns.page():
            at_once += 1
            most.append(at_once)
            await asyncio.sleep(0.01)
            at_once -= 1

    with turns.search():
        pass
    await asyncio.gather(*(page() for _ in range(4)))
    beside = max(most)
    monkeypatch.setattr(page_calls, "_RECENT_S", 0.0)
    await asyncio.gather(*(page() for _ in range(4)))
    assert (beside, max(most)) == (1, 3)


async def test_a_search_that_fails_is_over() -> None:
    turns, begun = Turns(1), list[int]()
    with pytest.raises(ValueError, match="no"), turns.search():
        raise ValueError("no")
    async with asyncio.timeout(0.2):
        await _pages(turns, begun, 1)
    assert begun == [1]
