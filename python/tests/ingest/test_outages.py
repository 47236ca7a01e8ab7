"""Outages that outlast a worker's patience, and a disk that is full, in the middle of a job."""

from __future__ import annotations

import asyncio
import dataclasses
from functools import partial

import psycopg
import pytest

from src.errors import ConfigurationError
from src.inference.client import Deadlines
from src.inference.embed import build_embedder
from src.inference.models import Embedder
from src.ingest.embedding import EmbedStage
from src.ingest.patience import Patience
from src.ingest.progress import JobProgress
from src.ingest.requests import CrawlRequest
from src.ingest.run import alongside
from src.ingest.service import IngestService
from src.ingest.space import open_space
from src.store import jobs, pages
from src.store.postgres import PostgresDatabase
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply, Request, Silence

from .parts import LEASE, LIMITS, POLICY, embed_reply, embedded_texts, ended, open_service, past_the_first_page, until
from .site import Site
from .test_crawl import small_site

IMPATIENT = dataclasses.replace(LIMITS, patience_s=0.1, backoff_s=0.01, postpone_s=0.1)
_FULL = """
create function full_disk() returns trigger language plpgsql as $$
begin
  if new.content like '%page b%' then
    raise exception 'could not extend file: No space left on device' using errcode = 'disk_full';
  end if;
  return new;
end $$;
create trigger full_disk before insert on archon_crawled_pages for each row execute function full_disk();
"""


async def test_a_job_waits_in_the_queue_for_a_server_that_stays_away_and_goes_on_by_itself(
    site: Site, models: ModelServer, database: PostgresDatabase
) -> None:
    busy = Reply(503, {"error": {"message": "busy"}}, headers={"retry-after": "0"})
    models.on("/v1/embeddings", lambda r: busy if "page b" in str(r.json()) else embed_reply()(r))
    async with open_service(database, models.url, limits=IMPATIENT) as service:
        job = (await past_the_first_page(site, service, small_site(site))).job_id
        waiting = await until(service, job, lambda now: "It is tried again in" in now.message)
        models.on("/v1/embeddings", embed_reply())
        end = await ended(service, job)
    assert (waiting.is_final, waiting.tally.pages_stored > 0) == (False, True)
    assert (end.status, end.tally.pages_stored, end.tally.pages_failed) == ("completed", 3, 0)


async def test_a_server_that_comes_back_with_other_weights_is_found_out_before_it_is_written_from(
    site: Site, models: ModelServer, database: PostgresDatabase
) -> None:
    busy = Reply(503, {"error": {"message": "busy"}}, headers={"retry-after": "0"})
    models.on("/v1/embeddings", lambda r: busy if "page b" in str(r.json()) else embed_reply()(r))
    async with open_service(database, models.url) as service:
        job = (await past_the_first_page(site, service, small_site(site))).job_id
        await until(service, job, lambda now: now.message.startswith("Waiting:"))
        models.on("/v1/embeddings", embed_reply(seed="other weights"))
        end = await ended(service, job)
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "configuration")
    assert site.url("/docs/b.html") not in [page.url for page in await pages.listing(database, end.source_id)]


async def _exchanged_after_one_page(
    site: Site, models: ModelServer, database: PostgresDatabase, silence_s: float
) -> tuple[JobProgress, int]:
    """A crawl in whose pause, with nothing under way, the weights change; and how many pages were stored before."""
    gate = asyncio.Event()
    start = small_site(site)
    for name in "ab":
        site.answers[f"/docs/{name}.html"][0].hold = gate
    async with open_service(database, models.url, limits=dataclasses.replace(LIMITS, silence_s=silence_s)) as service:
        job = await service.start_crawl(CrawlRequest(start))
        before = await until(service, job, lambda now: now.tally.pages_stored == 1)
        models.on("/v1/embeddings", embed_reply(seed="other weights"))
        gate.set()
        return await ended(service, job), before.tally.chunks_stored


async def test_a_server_that_is_exchanged_while_nothing_is_asked_of_it_is_found_out(
    site: Site, models: ModelServer, database: PostgresDatabase
) -> None:
    end, before = await _exchanged_after_one_page(site, models, database, silence_s=0.0)
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "configuration")
    assert (await pages.chunks(database, end.source_id)).total == before


async def test_a_server_that_goes_on_answering_is_not_asked_who_it_is(
    site: Site, models: ModelServer, database: PostgresDatabase
) -> None:
    async with open_service(database, models.url, limits=dataclasses.replace(LIMITS, silence_s=60.0)) as service:
        end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    canary = "The quick brown fox jumps over the lazy dog."
    assert (end.status, embedded_texts(models).count(canary)) == ("completed", 1)


async def test_a_server_that_comes_back_with_other_weights_behind_the_embedders_own_tries_is_found_out(
    models: ModelServer, database: PostgresDatabase
) -> None:
    embedder = build_embedder(chosen("embedding", VLLM_BASE_URL=models.url))
    space = await open_space(database, embedder)
    prove = partial(open_space, database, embedder)
    stage = EmbedStage(embedder, space.dimensions, Patience(10.0, print), print, prove=prove, silence_s=0.5)
    answers = iter([Reply(503, {"error": {"message": "busy"}}, headers={"retry-after": "1"})])
    models.on("/v1/embeddings", lambda r: next(answers, None) or embed_reply(seed="other weights")(r))
    with pytest.raises(ConfigurationError, match="other vectors under the name"):
        async with alongside(stage.run()):
            await stage.vectors(["A passage."])


async def test_an_outage_that_is_too_long_even_for_the_queue_fails_the_job(
    site: Site, models: ModelServer, database: PostgresDatabase
) -> None:
    busy = Reply(503, {"error": {"message": "busy"}}, headers={"retry-after": "0"})
    models.on("/v1/embeddings", lambda r: busy if "page b" in str(r.json()) else embed_reply()(r))
    limits = dataclasses.replace(IMPATIENT, outage_s=0.0)
    async with open_service(database, models.url, limits=limits) as service:
        end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "overloaded")


async def test_a_full_disk_stops_the_job_and_says_so(
    site: Site, models: ModelServer, database: PostgresDatabase, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(_FULL)
        async with open_service(database, models.url) as service:
            end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
            await connection.execute("drop trigger full_disk on archon_crawled_pages")
            await service.retry((await jobs.listed(database)).items[0].id)
            again = await ended(service, (await jobs.listed(database)).items[0].id)
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "disk_full")
    assert (again.status, len(await pages.listing(database, end.source_id))) == ("completed", 3)


@pytest.mark.parametrize("code", ["query_canceled", "deadlock_detected", "serialization_failure"])
async def test_a_page_whose_write_failed_by_the_way_is_written_again(
    code: str, site: Site, models: ModelServer, database: PostgresDatabase, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("create sequence tries")  # it counts on through transactions that are rolled back
        once = _FULL.replace("page b%'", "page b%' and nextval('tries') = 1").replace("disk_full'", f"{code}'")
        await connection.execute(once)
    async with open_service(database, models.url) as service:
        end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    chunks = (await pages.chunks(database, end.source_id)).items
    assert (end.status, end.tally.pages_stored, end.tally.pages_failed) == ("completed", 3, 0)
    assert len(chunks) == len({chunk.url for chunk in chunks}) == 3


async def test_a_model_server_that_hangs_is_waited_for(
    site: Site, models: ModelServer, database: PostgresDatabase
) -> None:
    hanging = iter(range(3))

    def answer(request: Request) -> Reply | Silence:
        hangs = "page b" in str(request.json()) and next(hanging, None) is not None
        return Silence() if hangs else embed_reply()(request)

    async def factory() -> Embedder:
        return build_embedder(chosen("embedding", VLLM_BASE_URL=models.url), deadlines=Deadlines(first_event_s=0.5))

    models.on("/v1/embeddings", answer)
    service = IngestService(database, factory, POLICY, limits=LIMITS, lease=LEASE)
    await service.resume_interrupted()
    end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    await service.close()
    assert (end.status, end.tally.pages_stored) == ("completed", 3)


async def test_a_database_that_refuses_a_page_again_and_again_ends_the_job_with_its_reason(
    site: Site, models: ModelServer, database: PostgresDatabase, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(_FULL.replace("disk_full'", "unique_violation'").replace("could not extend", "twice"))
    async with open_service(database, models.url) as service:
        end = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "conflict")


async def test_a_server_that_sends_other_sizes_after_a_pause_changes_nothing(
    site: Site, models: ModelServer, database: PostgresDatabase
) -> None:
    def strange(request: Request) -> Reply:
        return embed_reply(size=5 if any("Changed" in text for text in request.json()["input"]) else 8)(request)

    async with open_service(database, models.url) as service:
        first = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
        site.article("/docs/a.html", "Page A", "Changed words.", ())
        models.on("/v1/embeddings", strange)
        end = await ended(service, await service.refresh(first.source_id))
    page = await pages.by_url(database, site.url("/docs/a.html"))
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "protocol")
    assert "Words of page a." in page.full_content
