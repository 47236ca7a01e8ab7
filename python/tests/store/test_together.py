"""Calls that wait for a round trip go together; each keeps its own answer and its own refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from src.errors import Conflict, StoreUnavailable
from src.store import jobs, pages, sources, spaces
from src.store.place import StorePlace
from src.store.together import LANES, MOST_BYTES, MOST_CALLS, Answer, Call, Together
from tests.fixtures.supabase import SupabaseServer


@dataclass
class Wire:
    """Answers every batch with the names in it, once it is let through."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[list[str]] = field(default_factory=list)
    failure: Exception | None = None

    async def send(self, calls: Sequence[Call]) -> Sequence[Answer]:
        self.sent.append([call.function for call in calls])
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return [{"rows": [call.function]} for call in calls]


async def _asked(together: Together, names: Sequence[str], size: int = 1) -> list[asyncio.Task[Answer]]:
    """Each call on its way or waiting: tasks begin in their order, so the last one's turn is after all others'."""
    tasks = [asyncio.create_task(together.answer(Call(name, {}, size))) for name in names]
    await asyncio.create_task(asyncio.sleep(0))
    return tasks


async def test_every_call_gets_its_own_answer_in_few_round_trips() -> None:
    wire = Wire()
    names = [f"f{number}" for number in range(LANES + MOST_CALLS + 1)]
    tasks = await _asked(Together(wire.send), names)
    wire.open.set()
    assert [(await task)["rows"] for task in tasks] == [[name] for name in names]
    assert [len(batch) for batch in wire.sent] == [1] * LANES + [MOST_CALLS, 1]


async def test_a_body_stays_below_its_size() -> None:
    wire = Wire()
    tasks = await _asked(Together(wire.send), ["f"] * (LANES + 3), size=MOST_BYTES // 2)
    wire.open.set()
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in wire.sent] == [1] * LANES + [2, 1]


async def test_a_failed_round_trip_is_the_failure_of_each_call_in_it() -> None:
    wire = Wire(failure=StoreUnavailable("gone"))
    tasks = await _asked(Together(wire.send), ["f"] * (LANES + 2))
    wire.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * (LANES + 2)


async def test_a_call_that_nobody_waits_for_is_not_sent() -> None:
    wire = Wire()
    tasks = await _asked(Together(wire.send), ["sent"] * LANES + ["given up", "kept"])
    tasks[LANES].cancel()
    wire.open.set()
    assert (await tasks[-1])["rows"] == ["kept"]
    assert wire.sent[-1] == ["kept"]


async def test_closing_ends_the_wait_of_all() -> None:
    together = Together(Wire().send)
    tasks = await _asked(together, ["f"] * (LANES + 2))
    await together.close()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_pages_saved_together_are_refused_one_by_one(place_of_it: StorePlace) -> None:
    async with place_of_it.opened() as database:
        await sources.ensure(database, source_id="s", url="https://x/", display_name="x", title="x", metadata={})
        job = await jobs.create(database, kind="crawl", source_id="s", request={}, progress={})
        await jobs.claim(database, "me", lease_s=60)
        space = await spaces.ensure(database, model="m", dimensions=3)

        async def save(number: int, worker: str) -> str:
            page = pages.NewPage(f"u{number}", f"u{number}", "T", "c", "h", None, 1, None, number, {})
            return await pages.save(database, pages.WorkPlace(job.id, worker, "s", "k"), page, [], space_id=space.id)

        names = ["me", "another"] * 5
        saved = await asyncio.gather(*(save(n, name) for n, name in enumerate(names)), return_exceptions=True)
        assert [isinstance(one, Conflict) for one in saved] == [name == "another" for name in names]
        assert len(await pages.addresses(database, "s")) == 5


@pytest.fixture
def place_of_it(supabase: SupabaseServer, tmp_path: Path) -> StorePlace:
    """The server as a place of the store."""
    return StorePlace("supabase", tmp_path, supabase.url, supabase.key)
