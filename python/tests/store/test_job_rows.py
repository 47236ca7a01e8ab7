"""Job rows, leases and the frontier on a real Postgres."""

from __future__ import annotations

import asyncio

import pytest

from src.errors import Conflict, NotFound
from src.store import jobs
from src.store.database import Database


async def _job(database: Database, source_id: str = "s1") -> jobs.Job:
    return await jobs.create(database, kind="crawl", source_id=source_id, request={"url": "x"}, progress={"a": 1})


async def test_a_job_keeps_its_request_and_progress(database: Database) -> None:
    made = await _job(database)
    found = await jobs.get(database, made.id)
    assert (found.state, found.request, found.progress) == ("queued", {"url": "x"}, {"a": 1})


async def test_a_source_has_one_job_at_a_time(database: Database) -> None:
    made = await _job(database)
    with pytest.raises(Conflict, match=made.id):
        await _job(database)


async def test_two_workers_never_get_the_same_job(database: Database) -> None:
    for number in range(4):
        await _job(database, f"s{number}")
    claims = await asyncio.gather(*(jobs.claim(database, f"w{n}", lease_s=60) for n in range(8)))
    taken = [job.id for job in claims if job]
    assert len(set(taken)) == len(taken)
    left = [job async for job in _claim_all(database)]
    assert len(taken) + len(left) == 4


async def _claim_all(database: Database):  # type: ignore[no-untyped-def]
    while job := await jobs.claim(database, "rest", lease_s=60):
        yield job


async def test_a_job_whose_lease_ran_out_goes_to_the_next_worker(database: Database) -> None:
    await _job(database)
    await jobs.claim(database, "dead", lease_s=-1)
    taken = await jobs.claim(database, "alive", lease_s=60)
    assert taken is not None
    assert (taken.lease_owner, taken.attempts) == ("alive", 2)


async def test_a_job_of_a_worker_known_to_be_gone_is_taken_at_once(database: Database) -> None:
    await _job(database)
    await jobs.claim(database, "dead", lease_s=60)
    assert await jobs.claim(database, "alive", lease_s=60) is None
    assert await jobs.claim(database, "alive", lease_s=60, gone=["dead"]) is not None


async def test_a_heartbeat_without_the_lease_is_refused(database: Database) -> None:
    job = await _job(database)
    await jobs.claim(database, "me", lease_s=60)
    assert await jobs.heartbeat(database, job.id, "me", lease_s=60, progress={"a": 2}) == jobs.Wishes(False, False, 0)
    with pytest.raises(Conflict):
        await jobs.heartbeat(database, job.id, "stranger", lease_s=60, progress={})
    assert (await jobs.get(database, job.id)).progress == {"a": 2}


async def test_a_stop_reaches_the_worker_with_its_next_heartbeat(database: Database) -> None:
    job = await _job(database)
    await jobs.claim(database, "me", lease_s=60)
    assert (await jobs.stop(database, job.id)).state == "running"
    assert (await jobs.heartbeat(database, job.id, "me", lease_s=60, progress={})).stop


async def test_a_job_that_nobody_works_on_is_cancelled_at_once(database: Database) -> None:
    job = await _job(database)
    assert (await jobs.stop(database, job.id)).state == "cancelled"
    with pytest.raises(NotFound):
        await jobs.stop(database, "00000000-0000-0000-0000-000000000000")


async def test_a_released_job_is_queued_again_without_a_lost_attempt(database: Database) -> None:
    job = await _job(database)
    await jobs.claim(database, "me", lease_s=60)
    await jobs.release(database, job.id, "me", progress={"kept": True})
    found = await jobs.get(database, job.id)
    assert (found.state, found.attempts, found.progress) == ("queued", 0, {"kept": True})


async def test_only_the_owner_can_finish_a_job(database: Database) -> None:
    job = await _job(database)
    await jobs.claim(database, "me", lease_s=60)
    ending = {"state": "completed", "progress": {}, "result": {}, "error": None}
    assert not await jobs.finish(database, job.id, "stranger", **ending)  # type: ignore[arg-type]
    assert await jobs.finish(database, job.id, "me", **ending)  # type: ignore[arg-type]
    assert (await jobs.get(database, job.id)).finished_at is not None


async def test_an_upload_keeps_its_bytes_until_its_job_ends(database: Database) -> None:
    job = await jobs.create_upload(database, source_id="f", request={}, progress={}, content=b"\x00\xff")
    assert await jobs.upload_content(database, job.id) == b"\x00\xff"
    await jobs.claim(database, "me", lease_s=60)
    await jobs.finish(database, job.id, "me", state="completed", progress={}, result={}, error=None)
    with pytest.raises(NotFound):
        await jobs.upload_content(database, job.id)


async def test_the_frontier_takes_each_address_once_and_no_more_than_the_limit(database: Database) -> None:
    job = await _job(database)
    found = [jobs.Address(key, key.upper(), "label") for key in ("a", "b", "a", "c", "d")]
    first = await jobs.add_addresses(database, job.id, found[:2], depth=1, page_limit=3)
    second = await jobs.add_addresses(database, job.id, found, depth=2, page_limit=3)
    assert ([a.key for a in first], [a.key for a in second]) == (["a", "b"], ["c"])
    assert [(row.address.url, row.depth) for row in await jobs.frontier(database, job.id)] == [
        ("A", 1), ("B", 1), ("C", 2),
    ]  # fmt: skip


async def test_a_settled_address_keeps_its_reason(database: Database) -> None:
    job = await _job(database)
    await jobs.add_addresses(database, job.id, [jobs.Address("a", "a")], depth=1, page_limit=3)
    await jobs.claim(database, "me", lease_s=60)
    await jobs.settle_address(database, job.id, "me", "a", state="failed", error={"code": "fetch_failed"})
    row = (await jobs.frontier(database, job.id))[0]
    assert (row.state, row.error) == ("failed", {"code": "fetch_failed"})
