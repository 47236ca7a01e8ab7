"""An index is built beside everything else: writers go on, and no time limit of a REST face makes it a failure."""

from __future__ import annotations

import asyncio
from array import array

import pytest

from src.errors import StoreUnavailable
from src.search.query import Scope
from src.store import indexes, jobs, pages, sources, spaces
from src.store.database import Database
from src.store.postgres import PostgresDatabase
from src.store.search import SearchRepository
from src.store.supabase import SupabaseDatabase
from tests.fixtures.database import as_admin
from tests.fixtures.postgrest import running_face
from tests.fixtures.supabase import SupabaseServer

_SLOW = (
    "create function slow(id bigint) returns bigint language plpgsql immutable as"
    " $$ begin perform pg_sleep(2); return id; end $$",
    "insert into archon_v1 (level, postponed_indexes)"
    " values ('011', array['create index slow_index on archon_crawled_pages (slow(id))'])",
)
"""An index of Archon v1's that takes two seconds for each passage."""


async def _save(database: Database, job: str, space_id: int, name: str, text: str) -> None:
    page = pages.NewPage(name, name, "T", text, text, None, 1, None, 0, {})
    chunk = pages.NewChunk(text, (), 1, None, {}, array("f", [1, 0, 0]))
    async with asyncio.timeout(10):
        await pages.save(database, pages.WorkPlace(job, "me", "s", name), page, [chunk], space_id=space_id)


async def _begin(database: Database) -> tuple[str, int]:
    """A running job and a space; page `a` is stored."""
    await sources.ensure(database, source_id="s", url="https://x/", display_name="x", title="x", metadata={})
    job = await jobs.create(database, kind="crawl", source_id="s", request={}, progress={})
    await jobs.claim(database, "me", lease_s=600)
    space = await spaces.ensure(database, model="m", dimensions=3)
    await _save(database, job.id, space.id, "a", "former")
    return job.id, space.id


async def _texts(database: Database, space_id: int) -> set[str]:
    hits = await SearchRepository(database).chunks(
        space=space_id, vector=array("f", [1, 0, 0]), words="", scope=Scope(), limit=9
    )
    return {hit.content for hit in hits}


async def _slow_index(database: Database, admin_url: str) -> None:
    job, _ = await _begin(database)
    await jobs.finish(database, job, "me", state="completed", progress={}, result={}, error=None)
    async with as_admin(admin_url) as admin:
        for statement in _SLOW:
            await admin.execute(statement)  # type: ignore[arg-type]


async def _has_slow_index(admin_url: str) -> bool:
    async with as_admin(admin_url) as admin:
        row = await (await admin.execute("select to_regclass('slow_index') is not null")).fetchone()
    return bool(row and row[0])


async def test_pages_are_stored_changed_and_removed_while_an_index_is_built(database: Database, admin_url: str) -> None:
    job, space_id = await _begin(database)
    await spaces.close_fresh_part(database, space_id)
    part = f"archon_chunk_vectors_s{space_id}_p1"
    async with as_admin(admin_url) as admin, admin.transaction():
        await admin.execute(f"lock table {part} in row exclusive mode")  # type: ignore[arg-type]
        building = asyncio.create_task(indexes.build_next(database))
        async with asyncio.timeout(10), as_admin(admin_url) as other:
            waits = "select 1 from pg_locks where not granted and relation = %s::regclass"
            while not await (await other.execute(waits, (part,))).fetchone():
                pass
        await _save(database, job, space_id, "b", "new")
        await _save(database, job, space_id, "a", "changed")
        assert (await indexes.left(database)).behind
        assert await _texts(database, space_id) == {"new", "changed"}
    assert await building
    assert not await indexes.build_next(database)
    assert await indexes.left(database) == indexes.IndexesLeft(0, 0)
    assert await _texts(database, space_id) == {"new", "changed"}
    assert [one.vectors for one in await spaces.every(database)] == [2]


async def test_a_build_of_another_process_is_waited_for(database: Database, admin_url: str) -> None:
    _, space_id = await _begin(database)
    await spaces.close_fresh_part(database, space_id)
    async with as_admin(admin_url) as admin:
        await admin.execute("select pg_advisory_lock(hashtext('archon_index_next'))")
        building = asyncio.create_task(indexes.build_space(database, space_id))
        assert (await indexes.left(database)).under_way
        assert not (await asyncio.wait([building], timeout=0.3))[0]
    async with asyncio.timeout(10):
        await building
    assert (await indexes.left(database)).ours == 0


async def test_a_build_that_is_cancelled_ends_in_the_database_too(database_url: str) -> None:
    database = await PostgresDatabase.connect(database_url)
    await _slow_index(database, database_url)
    building = asyncio.create_task(indexes.build_next(database, of_v1=True))
    async with asyncio.timeout(10):
        while not (await indexes.left(database)).under_way:
            pass
        building.cancel()
        await asyncio.wait([building])
        while (await indexes.left(database)).under_way:
            pass
    assert not await _has_slow_index(database_url)
    await database.close()


async def test_an_answer_that_is_lost_is_no_failure_of_the_build(supabase: SupabaseServer) -> None:
    database = await SupabaseDatabase.connect(supabase.url, supabase.key, answer_s=1.0)
    await _slow_index(database, supabase.admin_url)
    assert await indexes.build_next(database, of_v1=True)
    assert (await indexes.left(database)).of_v1 == 0
    assert await _has_slow_index(supabase.admin_url)
    await database.close()


@pytest.mark.parametrize("gateway_s", [30.0, 0.7])
async def test_a_limit_of_the_rest_face_does_not_end_a_build(supabase: SupabaseServer, gateway_s: float) -> None:
    async with running_face(supabase.admin_url, statement_limit="1s", gateway_s=gateway_s) as url:
        database = await SupabaseDatabase.connect(url, "sb_secret_x")
        await _slow_index(database, supabase.admin_url)
        assert await indexes.build_next(database, of_v1=True)
        await database.close()
    assert await _has_slow_index(supabase.admin_url)


async def test_a_face_that_knows_no_limits_of_functions_says_that_it_ended_the_build(supabase: SupabaseServer) -> None:
    async with running_face(supabase.admin_url, statement_limit="1s", hoists=False) as url:
        database = await SupabaseDatabase.connect(url, "sb_secret_x")
        await _slow_index(database, supabase.admin_url)
        with pytest.raises(StoreUnavailable, match="before it was done"):
            await indexes.build_next(database, of_v1=True)
        await database.close()
    assert not await _has_slow_index(supabase.admin_url)


async def test_a_call_that_takes_longer_than_a_role_may_is_done_all_the_same(supabase: SupabaseServer) -> None:
    async with as_admin(supabase.admin_url) as admin:
        await admin.execute(
            "create function archon_slow() returns table (done boolean) language sql"
            " as 'select true from pg_sleep(1.5)'"
        )
    async with running_face(supabase.admin_url, statement_limit="1s") as url:
        database = await SupabaseDatabase.connect(url, "sb_secret_x")
        assert await database.call("archon_slow") == [{"done": True}]
        await database.close()


async def test_a_chunk_that_is_there_keeps_its_vectors_whatever_was_noted(database: Database, admin_url: str) -> None:
    _, space_id = await _begin(database)
    async with as_admin(admin_url) as admin:
        await admin.execute("insert into archon_vectors_gone select id from archon_crawled_pages")
    assert not await indexes.build_next(database)
    assert not (await indexes.left(database)).behind
    assert await _texts(database, space_id) == {"former"}
    assert [one.vectors for one in await spaces.every(database)] == [1]
