"""Sources, pages and spaces on a real Postgres."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

from src.errors import Conflict, InvalidInput, NotFound
from src.store import jobs, pages, sources, spaces
from src.store.database import Database

_PIECES = (("a", [0.1, -1e-7, 1 / 3]), ("b", [3.4e38, 0.0, 1.0]), ("c", [0.0, 1.0, 0.0]))


async def _place(database: Database, source_id: str = "s1", key: str = "https://x/a") -> pages.WorkPlace:
    await sources.ensure(
        database, source_id=source_id, url="https://x/", display_name="x", title="x", metadata={"tags": ["t"]}
    )
    job = await jobs.create(database, kind="crawl", source_id=source_id, request={}, progress={})
    await jobs.add_addresses(database, job.id, [jobs.Address(key, key)], depth=1, page_limit=100)
    claimed = await jobs.claim(database, "me", lease_s=60)
    assert claimed is not None
    return pages.WorkPlace(claimed.id, "me", source_id, key)


def _page(key: str = "https://x/a", content: str = "hello world", content_hash: str = "h1") -> pages.NewPage:
    return pages.NewPage(
        url=key, url_key=key, title="A", content=content, content_hash=content_hash, language="en",
        word_count=len(content.split()), section_title=None, section_order=0, metadata={"title": "A"},
    )  # fmt: skip


def _chunk(text: str, vector: list[float]) -> pages.NewChunk:
    return pages.NewChunk(text, ("Top", "Sub"), 2, 3, {"char_count": len(text)}, array("f", vector))


async def _space(database: Database, size: int = 3) -> spaces.Space:
    return await spaces.ensure(database, model=f"m{size}", dimensions=size)


async def test_a_page_comes_back_with_its_chunks_as_they_were_saved(database: Database) -> None:
    place, space = await _place(database), await _space(database)
    page_id = await pages.save(database, place, _page(), [_chunk("hello", [1, 0, 0])], space_id=space.id)
    stored = await pages.chunks(database, "s1")
    assert (stored.total, stored.items[0].content, stored.items[0].heading_path) == (1, "hello", ("Top", "Sub"))
    assert (stored.items[0].page_id, stored.items[0].page_number, stored.items[0].title) == (page_id, 3, "A")
    assert (await pages.get(database, page_id)).full_content == "hello world"


async def test_new_content_takes_the_place_of_the_old_one(database: Database) -> None:
    place, space = await _place(database), await _space(database)
    many = [_chunk(f"old {n}", [1, 0, 0]) for n in range(5)]
    first = await pages.save(database, place, _page(), many, space_id=space.id)
    again = await pages.save(
        database, place, _page(content="new", content_hash="h2"), [_chunk("new", [0, 1, 0])], space_id=space.id
    )
    assert first == again
    assert [chunk.content for chunk in (await pages.chunks(database, "s1")).items] == ["new"]
    assert (await pages.listing(database, "s1"))[0].chunk_count == 1


async def test_a_vector_of_the_wrong_size_changes_nothing(database: Database) -> None:
    place, space = await _place(database), await _space(database)
    await pages.save(database, place, _page(), [_chunk("old", [1, 0, 0])], space_id=space.id)
    with pytest.raises(InvalidInput):
        await pages.save(database, place, _page(content_hash="h2"), [_chunk("new", [1, 0])], space_id=space.id)
    assert [chunk.content for chunk in (await pages.chunks(database, "s1")).items] == ["old"]


async def test_an_unchanged_page_is_kept_only_with_vectors_in_the_space(database: Database) -> None:
    place, space = await _place(database), await _space(database)
    await pages.save(database, place, _page(), [_chunk("old", [1, 0, 0])], space_id=space.id)
    other = await _space(database, size=4)
    key = place.frontier_key

    async def standing(*, page_key: str = key, content_hash: str = "h1", space_id: int = space.id) -> pages.Standing:
        return await pages.keep(database, place, page_key=page_key, content_hash=content_hash, space_id=space_id)

    assert await standing() is pages.Standing.KEPT
    assert await standing(content_hash="h2") is pages.Standing.CHANGED
    assert await standing(space_id=other.id) is pages.Standing.CHANGED
    assert await standing(page_key="another") is pages.Standing.NEW


async def test_the_same_address_may_belong_to_two_sources(database: Database) -> None:
    space = await _space(database)
    for source_id in ("s1", "s2"):
        place = await _place(database, source_id)
        await pages.save(database, place, _page(), [_chunk("x", [1, 0, 0])], space_id=space.id)
        await jobs.finish(database, place.job_id, "me", state="completed", progress={}, result={}, error=None)
    found = await sources.summaries(database)
    assert [(item.source_id, item.page_count) for item in found.items] == [("s2", 1), ("s1", 1)]


async def test_a_worker_without_the_lease_cannot_write(database: Database) -> None:
    place, space = await _place(database), await _space(database)
    stranger = pages.WorkPlace(place.job_id, "stranger", place.source_id, place.frontier_key)
    with pytest.raises(Conflict):
        await pages.save(database, stranger, _page(), [_chunk("x", [1, 0, 0])], space_id=space.id)
    assert (await pages.chunks(database, "s1")).total == 0


async def test_a_deleted_source_takes_no_more_pages(database: Database) -> None:
    place, space = await _place(database), await _space(database)
    await sources.delete(database, "s1")
    with pytest.raises(NotFound):
        await pages.save(database, place, _page(), [_chunk("x", [1, 0, 0])], space_id=space.id)
    assert (await jobs.get(database, place.job_id)).cancel_requested


async def test_a_summary_counts_pages_chunks_and_words(database: Database) -> None:
    place, space = await _place(database), await _space(database)
    chunks = [_chunk("a", [1, 0, 0]), _chunk("b", [0, 1, 0])]
    await pages.save(database, place, _page(content="three small words"), chunks, space_id=space.id)
    result = {"pages_stored": 1, "pages_failed": 0}
    await jobs.finish(database, place.job_id, "me", state="completed", progress={}, result=result, error=None)
    await sources.settle(database, "s1", better_title="Real title")
    summary = await sources.get(database, "s1")
    assert (summary.page_count, summary.chunk_count, summary.word_count, summary.title) == (1, 2, 3, "Real title")
    assert summary.last_job is not None
    assert (summary.last_job.state, summary.last_job.stored_pages) == ("completed", 1)


async def test_a_search_of_sources_takes_its_signs_literally(database: Database) -> None:
    await _place(database)
    assert (await sources.summaries(database, search="X")).total == 1
    assert (await sources.summaries(database, search="%")).total == 0


async def test_a_title_that_a_person_gave_stays(database: Database) -> None:
    place, space = await _place(database), await _space(database)
    await pages.save(database, place, _page(), [_chunk("x", [1, 0, 0])], space_id=space.id)
    await sources.update(database, "s1", title="Mine", metadata={"tags": ["new"]})
    await sources.ensure(database, source_id="s1", url="https://x/", display_name="x", title="x", metadata={})
    await sources.settle(database, "s1", better_title="Site title")
    summary = await sources.get(database, "s1")
    assert (summary.title, summary.metadata) == ("Mine", {"tags": ["new"]})


async def test_a_source_without_a_page_goes_when_its_job_is_settled(database: Database) -> None:
    await _place(database)
    await sources.settle(database, "s1")
    with pytest.raises(NotFound):
        await sources.get(database, "s1")


async def test_a_vanished_page_is_removed_and_noted(database: Database) -> None:
    place, space = await _place(database), await _space(database)
    await pages.save(database, place, _page(), [_chunk("x", [1, 0, 0])], space_id=space.id)
    assert await pages.remove(database, place, page_key="https://x/a", error={"code": "fetch_failed"})
    assert [row.state for row in await jobs.frontier(database, place.job_id)] == ["removed"]
    with pytest.raises(NotFound):
        await pages.by_url(database, "https://x/a")


@pytest.mark.parametrize("size", [1, 384, 2000, 2001, 4000, 4001])
async def test_a_space_of_any_size_takes_vectors(database: Database, size: int) -> None:
    place, space = await _place(database), await _space(database, size)
    await pages.save(database, place, _page(), [_chunk("x", [0.5] * size)], space_id=space.id)
    active = await spaces.active(database)
    assert (await pages.chunks(database, "s1")).total == 1
    assert active is not None
    assert (active.id, active.dimensions) == (space.id, size)


async def test_the_space_that_was_used_last_is_the_active_one(database: Database) -> None:
    first, second = await _space(database, 3), await _space(database, 4)
    again = await _space(database, 3)
    active = await spaces.active(database)
    assert active is not None
    assert (first.id, active.id, second.id != first.id) == (again.id, first.id, True)


async def test_canaries_come_back_as_they_were_kept(database: Database) -> None:
    space = await _space(database)
    await spaces.set_canaries(database, space.id, [spaces.Canary("a", array("f", [0.25, 0.5, 1.0]))])
    assert (await _space(database)).canaries == (spaces.Canary("a", array("f", [0.25, 0.5, 1.0])),)


async def test_a_page_gives_its_vectors_back_by_the_text_they_were_made_of(database: Database) -> None:
    place, space = await _place(database), await _space(database)
    bare, led, unknown = (_chunk(text, vector) for text, vector in _PIECES)
    bare, led = (replace(chunk, metadata={"context": lead}) for chunk, lead in ((bare, ""), (led, "Top > Sub")))
    await pages.save(database, place, _page(), [bare, led, unknown], space_id=space.id)
    texts = ["a", "Top > Sub\n\nb", "b", "Top > Sub\n\nc", "c", "ü"]
    key = place.frontier_key
    found = await pages.vectors(database, "s1", page_key=key, space_id=space.id, texts=texts)
    assert found == {"a": bare.vector, "Top > Sub\n\nb": led.vector}
    other = await spaces.ensure(database, model="m3", dimensions=3, passage_prefix="passage: ")
    assert await pages.vectors(database, "s1", page_key=key, space_id=other.id, texts=texts) == {}
    assert await pages.vectors(database, "s1", page_key="https://x/b", space_id=space.id, texts=texts) == {}
