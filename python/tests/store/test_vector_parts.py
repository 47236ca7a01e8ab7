"""Closed parts of about the same size become one, beside everything else; searches see each vector once throughout."""

from __future__ import annotations

import asyncio
from array import array

from src.search.query import Scope
from src.store import indexes, jobs, pages, sources, spaces
from src.store.database import Database
from src.store.search import SearchRepository
from src.store.supabase import SupabaseDatabase
from tests.fixtures.database import as_admin
from tests.fixtures.supabase import SupabaseServer

_PARTS = """
select (regexp_match(c.relname, '_p([0-9]+)$'))[1]::int, c.reltuples::int from pg_partition_tree(%s) t
join pg_class c on c.oid = t.relid where t.isleaf and exists (
  select 1 from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am a on a.oid = x.relam
  where i.indrelid = c.oid and a.amname = 'hnsw') order by 1
"""


async def _space(database: Database) -> tuple[str, int]:
    """A running job and a space."""
    await sources.ensure(database, source_id="s", url="https://x/", display_name="x", title="x", metadata={})
    job = await jobs.create(database, kind="crawl", source_id="s", request={}, progress={})
    await jobs.claim(database, "me", lease_s=600)
    return job.id, (await spaces.ensure(database, model="m", dimensions=3)).id


async def _store(database: Database, job: str, space_id: int, name: str, size: int) -> None:
    page = pages.NewPage(name, name, "T", name, name + str(size), None, 1, None, 0, {})
    chunks = [
        pages.NewChunk(f"{name} {number}", (), 1, None, {}, array("f", [1, number / size, 0])) for number in range(size)
    ]
    async with asyncio.timeout(10):
        await pages.save(database, pages.WorkPlace(job, "me", "s", name), page, chunks, space_id=space_id)


async def _closed(database: Database, job: str, space_id: int, sizes: list[int]) -> None:
    """A part with its index of each size; the pages are called by their place, `p0` first."""
    for number, size in enumerate(sizes):
        await _store(database, job, space_id, f"p{number}", size)
        await spaces.close_fresh_part(database, space_id)
    while await indexes.build_next(database):
        pass


async def _indexed(admin_url: str, space_id: int) -> list[tuple[int, int]]:
    """The parts with an index, but the first, and how many vectors the planner believes them to have."""
    async with as_admin(admin_url) as admin:
        rows = await (await admin.execute(_PARTS, (f"archon_chunk_vectors_s{space_id}",))).fetchall()
    return [(part, size) for part, size in rows if part]


async def _found(database: Database, space_id: int) -> list[str]:
    repository = SearchRepository(database)
    hits = await repository.chunks(space=space_id, vector=array("f", [1, 0, 0]), words="", scope=Scope(), limit=100)
    return sorted(hit.content for hit in hits)


async def test_parts_of_about_the_same_size_become_one(database: Database, admin_url: str) -> None:
    job, space_id = await _space(database)
    await _closed(database, job, space_id, [4, 5, 40, 6])
    before = await _found(database, space_id)
    assert not await indexes.merge_next(database, least=4)
    assert await indexes.merge_next(database)
    assert await _indexed(admin_url, space_id) == [(1, 15), (3, 40)]
    assert await _found(database, space_id) == before
    assert len(before) == 55
    assert not await indexes.merge_next(database)


async def test_parts_are_put_together_as_long_as_the_memory_for_their_index_suffices(
    database: Database, admin_url: str
) -> None:
    job, space_id = await _space(database)
    await _closed(database, job, space_id, [20, 20, 20])
    async with as_admin(admin_url) as admin:
        await admin.execute(
            "create or replace function archon_part_capacity(dimensions integer) returns integer language sql"
            " as 'select 45'"
        )
    assert await indexes.merge_next(database)
    assert await _indexed(admin_url, space_id) == [(1, 40), (3, 20)]
    assert not await indexes.merge_next(database)


async def test_pages_are_stored_changed_and_searched_while_parts_are_put_together(
    database: Database, admin_url: str
) -> None:
    job, space_id = await _space(database)
    await _closed(database, job, space_id, [2, 2])
    async with as_admin(admin_url) as admin, admin.transaction():
        # Somebody reads for long: the step that takes the parts' place waits, and lets others go on again and again.
        await admin.execute(f"lock table archon_chunk_vectors_s{space_id} in access share mode")  # type: ignore[arg-type]
        merging = asyncio.create_task(indexes.merge_next(database))
        async with asyncio.timeout(20), as_admin(admin_url) as other:
            waits = "select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock'"
            while not await (await other.execute(waits)).fetchone():
                pass
        await _store(database, job, space_id, "p0", 1)
        await _store(database, job, space_id, "p2", 1)
        assert await _found(database, space_id) == ["p0 0", "p1 0", "p1 1", "p2 0"]
        assert not merging.done()
    assert await merging
    assert not await indexes.build_next(database)
    assert await indexes.left(database) == indexes.IndexesLeft(0, 0)
    assert await _found(database, space_id) == ["p0 0", "p1 0", "p1 1", "p2 0"]
    assert [one.vectors for one in await spaces.every(database)] == [4]


async def test_each_vector_is_seen_once_by_every_search_beside_it(database: Database) -> None:
    job, space_id = await _space(database)
    await _closed(database, job, space_id, [30, 30])
    whole = await _found(database, space_id)
    merging = asyncio.create_task(indexes.merge_next(database))
    while not merging.done():
        assert await _found(database, space_id) == whole
    assert await merging
    assert await _found(database, space_id) == whole


async def test_an_answer_that_is_lost_is_no_failure_of_putting_together(supabase: SupabaseServer) -> None:
    database = await SupabaseDatabase.connect(supabase.url, supabase.key, answer_s=1.0)
    job, space_id = await _space(database)
    await _closed(database, job, space_id, [3, 3])
    async with as_admin(supabase.admin_url) as admin:
        await admin.execute(
            "create or replace function archon_lock_briefly(tables text[]) returns void language plpgsql"
            " as $$ begin perform pg_sleep(2); end $$"
        )
    assert await indexes.merge_next(database)
    assert await _indexed(supabase.admin_url, space_id) == [(1, 6)]
    assert not await indexes.merge_next(database)
    await database.close()


async def test_fresh_vectors_are_counted_in_each_space_in_use(database: Database) -> None:
    job, space_id = await _space(database)
    await _store(database, job, space_id, "p0", 3)
    assert await spaces.fresh_parts(database, most=10) == [spaces.FreshPart(space_id, 3)]
    assert await spaces.fresh_parts(database, most=2) == [spaces.FreshPart(space_id, 2)]
    await spaces.close_fresh_part(database, space_id)
    assert await spaces.fresh_parts(database, most=10) == [spaces.FreshPart(space_id, 0)]


async def test_a_former_space_goes_once_no_index_is_built_and_nobody_waits_meanwhile(
    database: Database, admin_url: str
) -> None:
    job, space_id = await _space(database)
    await _store(database, job, space_id, "p0", 3)
    former = await spaces.ensure(database, model="former", dimensions=3)
    async with as_admin(admin_url) as admin:
        await admin.execute("update archon_embedding_spaces set state = 'retired' where id = %s", (former.id,))
        await admin.execute("select pg_advisory_lock(hashtext('archon_index_next'))")
        clearing = asyncio.create_task(spaces.clear(database))
        async with asyncio.timeout(10), as_admin(admin_url) as other:
            waits = "select 1 from pg_locks where locktype = 'advisory' and not granted"
            while not await (await other.execute(waits)).fetchone():
                pass
        assert len(await _found(database, space_id)) == 3
        await admin.execute("select pg_advisory_unlock(hashtext('archon_index_next'))")
    async with asyncio.timeout(10):
        assert await clearing == 1


async def test_a_filtered_search_finds_what_is_nearest_in_whichever_part_it_is(
    database: Database, admin_url: str
) -> None:
    job, space_id = await _space(database)
    await _closed(database, job, space_id, [4, 5, 6])
    await _store(database, job, space_id, "p0", 3)
    await _store(database, job, space_id, "p3", 2)
    repository, vector = SearchRepository(database), array("f", [1, 0.4, 0])
    every = await repository.nearest(space=space_id, vector=vector, source_ids=None, depth=16, exact=True)
    within = await repository.nearest(space=space_id, vector=vector, source_ids=["s"], depth=16)
    few = await repository.nearest(space=space_id, vector=vector, source_ids=["s"], depth=3)
    assert (len(every), within, few) == (16, every, every[:3])
    assert await repository.nearest(space=space_id, vector=vector, source_ids=["other"], depth=3) == []
