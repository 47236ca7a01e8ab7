"""Another embedding model: all is embedded anew in the background, and the former model answers until the switch."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator

import psycopg
import pytest

from src.errors import FormerModelAway
from src.ingest.caretaker import wants_index
from src.ingest.reembed import BATCH, mean
from src.ingest.requests import CrawlRequest, UploadRequest
from src.ingest.service import IngestService
from src.store import job_sharing, spaces
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer, Reply, Request, Silence, running

from .embedding_change import Chosen, change, changed, open_changing, reembedding, search_with
from .parts import embed_reply, embedded_texts, ended, until, worker
from .site import Site
from .test_crawl import small_site


@pytest.fixture
async def other() -> AsyncIterator[ModelServer]:
    """Another embedding model."""
    async with running() as server:
        server.on("/v1/embeddings", embed_reply(seed="other", size=6))
        yield server


@pytest.fixture
def now(models: ModelServer) -> Chosen:
    return Chosen(models.url)


@pytest.fixture
async def filled(database: PostgresDatabase, now: Chosen, site: Site) -> AsyncIterator[IngestService]:
    """A service at work whose store has a small site."""
    async with open_changing(database, now) as service:
        await ended(service, await service.start_crawl(CrawlRequest(small_site(site), max_depth=3)))
        yield service


def _held(gate: asyncio.Event, model: ModelServer) -> None:
    """Passages of pages are not answered until the gate is opened."""

    def answer(request: Request) -> Reply | Silence:
        stored = any("Words of" in text for text in request.json()["input"])
        return Silence() if stored and not gate.is_set() else embed_reply(seed="other", size=6)(request)

    model.on("/v1/embeddings", answer)


async def test_the_new_space_answers_once_everything_is_in_it(
    filled: IngestService, database: PostgresDatabase, now: Chosen, other: ModelServer
) -> None:
    before = await spaces.active(database)
    end = await changed(filled, now, other.url)
    after = await spaces.active(database)
    assert before is not None
    assert after is not None
    assert (end.status, after.dimensions, await spaces.gap(database, after.id)) == ("completed", 6, spaces.Gap(0, 4))
    assert [one.space.id for one in await spaces.every(database)] == [after.id]


async def test_the_former_space_answers_until_the_switch(
    filled: IngestService, database: PostgresDatabase, now: Chosen, models: ModelServer, other: ModelServer
) -> None:
    gate = asyncio.Event()
    _held(gate, other)
    job = await change(filled, now, other.url)
    await other.busy.wait()
    models.requests.clear()
    found = await search_with(database, now).search("Words of page a")
    assert (found.search_mode, bool(found.hits), embedded_texts(models)[-1]) == ("hybrid", True, "Words of page a")
    await filled.stop(job)


async def test_a_former_model_that_is_away_is_said_and_not_hidden(
    filled: IngestService, database: PostgresDatabase, now: Chosen, models: ModelServer, other: ModelServer
) -> None:
    gate = asyncio.Event()
    _held(gate, other)
    job = await change(filled, now, other.url)
    await other.busy.wait()
    models.on("/v1/embeddings", Reply(404, {"error": {"message": "gone"}}))
    with pytest.raises(FormerModelAway):
        await search_with(database, now).search("Words of page a")
    await filled.stop(job)


async def test_pages_that_are_stored_meanwhile_are_there_after_the_switch(
    filled: IngestService, database: PostgresDatabase, now: Chosen, other: ModelServer, site: Site
) -> None:
    gate = asyncio.Event()
    _held(gate, other)
    job = await change(filled, now, other.url)
    await other.busy.wait()
    site.article("/new", "New", "Quite new words.")
    crawled = await ended(filled, await filled.start_crawl(CrawlRequest(site.url("/new"), max_depth=1)))
    found = await search_with(database, now).search("Quite new words")
    assert (crawled.tally.pages_stored, found.search_mode) == (1, "hybrid")
    gate.set()
    await other.close()
    end = await ended(filled, job)
    answering = await spaces.active(database)
    assert answering is not None
    missing = (await spaces.gap(database, answering.id)).missing
    assert (end.status, answering.dimensions, missing, end.tally.chunks_stored) == ("completed", 6, 0, 5)


async def test_a_stopped_change_leaves_the_former_space_and_is_not_begun_again(
    filled: IngestService, database: PostgresDatabase, now: Chosen, other: ModelServer
) -> None:
    _held(asyncio.Event(), other)
    before = await spaces.active(database)
    job = await change(filled, now, other.url)
    await other.busy.wait()
    await filled.stop(job)
    assert (await ended(filled, job)).status == "cancelled"
    assert await filled.caretaker.look_at_model() is None
    assert before is not None
    assert (await spaces.active(database)) == before
    assert [(one.space.declined, one.vectors) for one in await spaces.every(database)] == [(False, 4), (True, 0)]


async def test_a_stopped_change_is_begun_anew_when_asked_for(
    filled: IngestService, database: PostgresDatabase, now: Chosen, other: ModelServer
) -> None:
    _held(asyncio.Event(), other)
    job = await change(filled, now, other.url)
    await filled.stop(job)
    await ended(filled, job)
    other.on("/v1/embeddings", embed_reply(seed="other", size=6))
    again = await filled.caretaker.look_at_model(anew=True)
    assert again is not None
    assert (await ended(filled, again)).status == "completed"


async def test_choosing_the_former_model_again_stops_the_change(
    filled: IngestService, database: PostgresDatabase, now: Chosen, models: ModelServer, other: ModelServer
) -> None:
    _held(asyncio.Event(), other)
    job = await change(filled, now, other.url)
    await other.busy.wait()
    now.url = models.url
    assert await filled.caretaker.look_at_model() is None
    assert (await ended(filled, job)).status == "cancelled"


def _parts(number: int) -> str:
    """A page of so many passages."""
    return "".join(f"<h2>Part {one}</h2><p>{f'Part {one} has words. ' * 15}</p>" for one in range(number))


async def test_a_killed_change_goes_on_and_embeds_nothing_twice(
    database: PostgresDatabase, database_url: str, now: Chosen, other: ModelServer, site: Site
) -> None:
    site.page("/d", f"<title>Long</title><main><h1>Long</h1>{_parts(100)}</main>")
    async with open_changing(database, now) as service:
        await ended(service, await service.start_crawl(CrawlRequest(site.url("/d"), max_depth=1)))
    other.on("/v1/embeddings", lambda r: Silence() if "Part 99" in str(r.json()) else embed_reply("other", 6)(r))
    async with worker(database_url, other.url) as process, open_changing(database, now, started=False) as looking:
        while not (found := await reembedding(database)):
            pass
        begun = await until(looking, found[0].id, lambda progress: progress.chunks_embedded >= BATCH)
        process.kill()
    other.on("/v1/embeddings", embed_reply(seed="other", size=6))
    other.requests.clear()
    async with open_changing(database, Chosen(other.url)) as service:
        end = await ended(service, found[0].id)
    again = [text for text in embedded_texts(other) if "Part" in text]
    assert (end.status, len(again)) == ("completed", begun.chunks_total - begun.chunks_embedded)


_HELD_BACK = """
create function held_back() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(42);
  return old;
end $$;
create trigger held_back before delete on archon_embedding_spaces for each row execute function held_back();
"""
_ENDED = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 42 and not granted"


async def test_a_change_killed_after_the_switch_still_drops_the_former_vectors(
    filled: IngestService, database: PostgresDatabase, database_url: str, other: ModelServer
) -> None:
    await filled.close()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as held:
        await held.execute(_HELD_BACK)  # type: ignore[arg-type]
        await held.execute("select pg_advisory_lock(42)")
        async with worker(database_url, other.url) as process:
            while not await (await held.execute(_ENDED.replace("pg_terminate_backend(pid)", "pid"))).fetchone():
                pass
            process.kill()
            await process.wait()
        await held.execute(_ENDED)  # type: ignore[arg-type]
    left = [(one.space.state, one.vectors) for one in await spaces.every(database)]
    [job] = await reembedding(database)
    async with open_changing(database, Chosen(other.url)) as service:
        end = await ended(service, job.id)
    now = [(one.space.state, one.vectors) for one in await spaces.every(database)]
    assert (left, end.status, now) == ([("active", 4), ("retired", 4)], "completed", [("active", 4)])


async def test_a_change_that_failed_is_begun_again_when_settings_are_saved_and_not_every_minute(
    filled: IngestService, database: PostgresDatabase, now: Chosen, other: ModelServer
) -> None:
    refused = Reply(400, {"error": {"message": "no such words", "type": "BadRequestError"}})
    other.on("/v1/embeddings", lambda r: refused if "ords" in str(r.json()) else embed_reply("other", 6)(r))
    failed = await changed(filled, now, other.url)
    by_itself = await filled.caretaker.look_at_model()
    filled.caretaker.nudge()
    async with asyncio.timeout(10):
        while len(await reembedding(database)) < 2:
            pass
    assert (failed.status, by_itself) == ("failed", None)


async def test_several_workers_make_one_change(
    filled: IngestService, database: PostgresDatabase, now: Chosen, other: ModelServer
) -> None:
    async with open_changing(database, now) as second:
        now.url = other.url
        await asyncio.gather(*(one.caretaker.look_at_model() for one in (filled, second)))
        [job] = await reembedding(database)
        end = await ended(filled, job.id)
    texts = [text for text in embedded_texts(other) if "Words of" in text]
    assert (end.status, len(texts), len(set(texts))) == ("completed", 3, 3)


@pytest.fixture
async def third() -> AsyncIterator[ModelServer]:
    """The other embedding model on another server."""
    async with running() as server:
        server.on("/v1/embeddings", embed_reply(seed="other", size=6))
        yield server


async def _many(database: PostgresDatabase, now: Chosen) -> int:
    """More passages than one worker takes in hand at once; how many."""
    text = "\n\n".join(f"# Part {number}\n\n{f'Part {number} has words. ' * 15}" for number in range(2_000))
    async with open_changing(database, now) as service:
        return (
            await ended(service, await service.start_upload(UploadRequest("many.md", text.encode())))
        ).tally.chunks_stored


async def _begun(service: IngestService, database: PostgresDatabase, now: Chosen, url: str) -> str:
    """As `change`, of a service that has just started: it may see the change by itself first."""
    now.url = url
    await service.caretaker.look_at_model()
    [job] = await reembedding(database)
    return job.id


def _parts_of(model: ModelServer) -> list[str]:
    return [text for text in embedded_texts(model) if "has words" in text]


def _answers_parts(
    model: ModelServer, gate: asyncio.Event | None = None, *, asked: asyncio.Event | None = None
) -> None:
    """Passages of `_many` are not answered until the gate is open; `asked` is set by the first of them."""

    def answer(request: Request) -> Reply | Silence:
        if "has words" in str(request.json()):
            if asked is not None:
                asked.set()
            if gate is not None and not gate.is_set():
                return Silence()
        return embed_reply("other", 6)(request)

    model.on("/v1/embeddings", answer)


async def test_a_worker_in_another_process_shares_a_change(
    database: PostgresDatabase, database_url: str, now: Chosen, other: ModelServer, third: ModelServer
) -> None:
    total = await _many(database, now)
    gate, taken = asyncio.Event(), asyncio.Event()
    _answers_parts(other, gate)
    _answers_parts(third, asked=taken)
    async with open_changing(database, now) as service:
        job = await _begun(service, database, now, other.url)
        async with worker(database_url, third.url), asyncio.timeout(60):
            await taken.wait()
            gate.set()
            await other.close()
            end = await ended(service, job)
    helped = _parts_of(third)
    assert (end.status, end.tally.chunks_stored, len(helped)) == ("completed", total, len(set(helped)))
    assert not set(_parts_of(other)) & set(helped)


async def test_what_a_killed_helper_of_a_change_had_in_hand_is_done_by_the_others(
    database: PostgresDatabase, database_url: str, now: Chosen, other: ModelServer, third: ModelServer
) -> None:
    total = await _many(database, now)
    gate, taken = asyncio.Event(), asyncio.Event()
    _answers_parts(other, gate)
    _answers_parts(third, asyncio.Event(), asked=taken)
    async with open_changing(database, now) as service:
        job = await _begun(service, database, now, other.url)
        async with worker(database_url, third.url) as process, asyncio.timeout(60):
            await taken.wait()
            process.kill()
            gate.set()
            await other.close()
            end = await ended(service, job)
    answering = await spaces.active(database)
    assert answering is not None
    gap = await spaces.gap(database, answering.id)
    assert (end.status, answering.dimensions, gap) == ("completed", 6, spaces.Gap(0, total))


async def test_a_text_that_is_too_long_for_the_new_model_gets_the_mean_of_its_parts(
    filled: IngestService, database: PostgresDatabase, now: Chosen, other: ModelServer
) -> None:
    message = "This model's maximum context length is 128 tokens. However, your prompt contains at least 129."
    too_long = Reply(400, {"error": {"message": message, "type": "BadRequestError", "param": "input_tokens"}})
    other.on(
        "/v1/embeddings",
        lambda r: too_long if any(len(t) > 100 for t in r.json()["input"]) else embed_reply("other", 6)(r),
    )
    end = await changed(filled, now, other.url)
    assert (end.status, end.tally.pages_failed) == ("completed", 0)


async def test_a_text_that_cannot_be_embedded_is_named_and_does_not_hold_up_the_switch(
    filled: IngestService, now: Chosen, other: ModelServer, site: Site
) -> None:
    refused = Reply(400, {"error": {"message": "no such words", "type": "BadRequestError"}})
    other.on("/v1/embeddings", lambda r: refused if "page b" in str(r.json()["input"]) else embed_reply("other", 6)(r))
    end = await changed(filled, now, other.url)
    assert (end.status, [failure.url for failure in end.tally.failures]) == ("completed", [site.url("/docs/b.html")])


async def test_a_retry_of_a_change_embeds_what_failed(
    filled: IngestService, database: PostgresDatabase, now: Chosen, other: ModelServer
) -> None:
    refused = Reply(400, {"error": {"message": "no such words", "type": "BadRequestError"}})
    other.on("/v1/embeddings", lambda r: refused if "page b" in str(r.json()["input"]) else embed_reply("other", 6)(r))
    job = (await changed(filled, now, other.url)).job_id
    other.on("/v1/embeddings", embed_reply(seed="other", size=6))
    await filled.retry(job)
    end = await ended(filled, job)
    answering = await spaces.active(database)
    assert answering is not None
    left = (await spaces.gap(database, answering.id)).missing
    assert (end.status, end.tally.pages_failed, end.tally.chunks_stored, left) == ("completed", 0, 4, 0)
    assert (await job_sharing.history(database, job)).total == 0


async def test_a_crawl_whose_space_is_replaced_goes_on_in_the_new_one(
    filled: IngestService, database: PostgresDatabase, now: Chosen, other: ModelServer, site: Site
) -> None:
    held = asyncio.Event()
    site.article("/more/", "More", "Words of more.", ("x.html",))
    site.article("/more/x.html", "X", "Words of x.")
    site.answers["/more/x.html"][0].hold = held
    crawl = await filled.start_crawl(CrawlRequest(site.url("/more/"), max_depth=2))
    await until(filled, crawl, lambda progress: progress.tally.pages_stored == 1)
    await changed(filled, now, other.url)
    held.set()
    end = await ended(filled, crawl)
    answering = await spaces.active(database)
    assert answering is not None
    assert (end.tally.pages_stored, (await spaces.gap(database, answering.id)).missing) == (2, 0)


async def test_a_job_of_a_change_has_progress_and_an_estimate(
    filled: IngestService, database: PostgresDatabase, now: Chosen, other: ModelServer, site: Site
) -> None:
    site.page("/d", f"<title>Long</title><main><h1>Long</h1>{_parts(100)}</main>")
    await ended(filled, await filled.start_crawl(CrawlRequest(site.url("/d"), max_depth=1)))
    other.on("/v1/embeddings", lambda r: Silence() if "Part 99" in str(r.json()) else embed_reply("other", 6)(r))
    job = await change(filled, now, other.url)
    seen = await until(filled, job, lambda progress: progress.chunks_embedded >= BATCH)
    details = seen.to_dict()["details"]
    assert isinstance(details, dict)
    former = await spaces.active(database)
    assert former is not None
    total = (await spaces.gap(database, former.id)).total
    left = pytest.approx((seen.chunks_total - seen.chunks_embedded) / seen.chunks_per_s, abs=0.1)
    assert (seen.kind, seen.status, details["totalChunks"]) == ("reembed", "storing", total)
    assert (seen.chunks_per_s > 0, details["estimatedTimeRemaining"]) == (True, left)
    await filled.stop(job)


def test_the_mean_of_vectors_is_as_long_as_they_are() -> None:
    found = mean([array("f", [3, 4]), array("f", [-4, 3])])
    assert [round(value, 4) for value in found] == [-0.7071, 4.9497]


@pytest.mark.parametrize(
    ("fresh", "rush", "wanted"),
    [(100, False, False), (2_001, False, True), (2_001, True, False), (5_000, True, True)],
)
def test_fresh_vectors_are_indexed_when_they_are_many_or_there_is_time(fresh: int, rush: bool, wanted: bool) -> None:
    assert wants_index(fresh, rush=rush) is wanted
