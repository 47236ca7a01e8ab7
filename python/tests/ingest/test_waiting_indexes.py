"""Indexes that were put off are built by whoever looks after the store."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator

import psycopg
import pytest

from src.ingest.service import IngestService
from src.store import indexes, jobs, pages, sources, spaces
from src.store.indexes import IndexesLeft
from src.store.jobs import Job
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer

from .parts import open_service

_PUT_OFF = (
    "insert into archon_v1 (level, postponed_indexes)"
    " values ('011', array['create index waiting_index on archon_crawled_pages (content)'])"
)


@pytest.fixture
async def idle(database: PostgresDatabase, models: ModelServer) -> AsyncIterator[IngestService]:
    """A service that queues, and works on nothing."""
    async with open_service(database, models.url, started=False) as opened:
        yield opened


@pytest.fixture
async def job(database: PostgresDatabase, database_url: str) -> Job:
    """A running job; its page has one vector. One index of ours and one of Archon v1's wait."""
    await sources.ensure(database, source_id="s", url="https://x/", display_name="x", title="x", metadata={})
    job = await jobs.create(database, kind="crawl", source_id="s", request={}, progress={})
    await jobs.claim(database, "me", lease_s=60)
    space = await spaces.ensure(database, model="m", dimensions=3)
    page = pages.NewPage("u", "u", "T", "c", "h", None, 1, None, 0, {})
    chunk = pages.NewChunk("c", (), 1, None, {}, array("f", [1, 0, 0]))
    await pages.save(database, pages.WorkPlace(job.id, "me", "s", "u"), page, [chunk], space_id=space.id)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(
            "update archon_chunk_vectors v set part = s.fresh_part"
            " from archon_embedding_spaces s where s.id = v.space_id"
        )
        await connection.execute(_PUT_OFF)
    return job


async def test_what_waits_is_built_once_nobody_writes(
    idle: IngestService, database: PostgresDatabase, job: Job
) -> None:
    assert await indexes.put_off(database) == IndexesLeft(ours=1, of_v1=1)
    await idle.caretaker.indexes.build_waiting()
    assert await indexes.left(database) == IndexesLeft(ours=0, of_v1=1)
    await jobs.finish(database, job.id, "me", state="completed", progress={}, result={}, error=None)
    await idle.caretaker.indexes.build_waiting()
    assert await indexes.left(database) == IndexesLeft(ours=0, of_v1=0)


async def test_an_index_that_cannot_be_built_is_not_begun_again_at_once(
    idle: IngestService, database: PostgresDatabase, job: Job, database_url: str
) -> None:
    await jobs.finish(database, job.id, "me", state="completed", progress={}, result={}, error=None)
    broken = "update archon_v1 set postponed_indexes = array['create index no_such_index on archon_crawled_pages (no)']"
    mended = "update archon_v1 set postponed_indexes = array['create index such_index on archon_crawled_pages (id)']"
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(broken)
        await idle.caretaker.indexes.build_waiting()
        await connection.execute(mended)
    await idle.caretaker.indexes.build_waiting()
    assert (await indexes.left(database)).of_v1 == 1


async def test_a_build_that_takes_long_keeps_no_other_duty_waiting_and_ends_with_its_process(
    idle: IngestService, database: PostgresDatabase, job: Job, database_url: str
) -> None:
    await indexes.put_off(database)
    await jobs.finish(database, job.id, "me", state="completed", progress={}, result={}, error=None)
    idle.caretaker.every_s = 0.1
    async with await psycopg.AsyncConnection.connect(database_url) as holding, asyncio.timeout(30):
        # What the build waits for, for as long as this test wants.
        await holding.execute("lock table archon_chunk_vectors in row exclusive mode")
        caring = asyncio.create_task(idle.caretaker.run())
        while not (await indexes.left(database)).under_way:
            pass
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
            await other.execute("update archon_sources set refresh_every = '1 day', next_refresh_at = now()")
        while (await jobs.of_source(database, "s"))[0].kind != "refresh":
            pass
        caring.cancel()
        await asyncio.wait([caring])
        while (await indexes.left(database)).under_way:
            pass
    assert (await indexes.left(database)).ours == 1


async def _fresh(url: str, count: int) -> None:
    """Give the first page's passage so many vectors more in the fresh part, of passages that there are not."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "insert into archon_chunk_vectors (space_id, part, chunk_id, embedding) select s.id, s.fresh_part,"
            " nextval('archon_crawled_pages_id_seq'), '[1,0,0]' from archon_embedding_spaces s, generate_series(1, %s)",
            (count,),
        )


async def _parts(url: str) -> list[int]:
    """Numbers of the closed parts with an index, but the first."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        rows = await (
            await connection.execute(
                "select substring(i.indexname from '_p([0-9]+)$')::int from pg_indexes i"
                " where i.indexname like 'archon_vectors_space_%_p%' order by 1"
            )
        ).fetchall()
    return [row[0] for row in rows]


async def test_parts_are_put_together_once_no_more_come(
    idle: IngestService, database: PostgresDatabase, job: Job, database_url: str
) -> None:
    caretaker = idle.caretaker
    await _fresh(database_url, 5_000)
    await caretaker.index_some()
    await caretaker.indexes.build_waiting()
    await _fresh(database_url, 5_000)
    await caretaker.index_some()
    await caretaker.indexes.build_waiting()
    assert await _parts(database_url) == [1, 2]
    await caretaker.index_some()
    await caretaker.indexes.build_waiting()
    assert len(await _parts(database_url)) == 1


async def test_what_is_put_together_makes_room_for_an_index_that_is_due(
    idle: IngestService, database: PostgresDatabase, job: Job, database_url: str
) -> None:
    for _ in range(2):
        await _fresh(database_url, 100)
        await indexes.put_off(database)
    while await indexes.build_next(database):
        pass
    builder = idle.caretaker.indexes
    async with await psycopg.AsyncConnection.connect(database_url) as reading, asyncio.timeout(30):
        # Who reads this long keeps the new part from taking its place.
        await reading.execute("select count(*) from archon_chunk_vectors")
        building = asyncio.create_task(builder.run())
        builder.wake()
        while not (await indexes.left(database)).under_way:
            pass
        await _fresh(database_url, 100)
        await indexes.put_off(database)
        builder.wake(calm=False)
        while (await indexes.left(database)).ours:
            pass
        assert await _parts(database_url) == [1, 2, 3]
    building.cancel()
    await asyncio.wait([building])


async def test_no_index_waits_for_parts_that_cannot_be_put_together(
    idle: IngestService, database: PostgresDatabase, job: Job, database_url: str
) -> None:
    refusing = (
        "create or replace function archon_parts_merge(space integer) returns table (built boolean, busy boolean)"
        " language plpgsql as $$ begin raise 'not now' using errcode = 'query_canceled'; end $$"
    )
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(refusing)
    for expected in ([1], [1, 2], [1, 2, 3]):
        await _fresh(database_url, 100)
        await indexes.put_off(database)
        await idle.caretaker.indexes.build_waiting()
        assert await _parts(database_url) == expected
