"""`kill -9` of a worker in the middle of a crawl: nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio

import pytest

from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.store import jobs, pages
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer, Reply, Request, Silence

from .parts import embed_reply, ended, open_service, until, worker
from .site import Answer, Site

COUNT = 8


def _site_of_pages(site: Site) -> str:
    names = tuple(f"p{number}.html" for number in range(COUNT))
    site.article("/docs/", "Start", "The first page.", names)
    for number, name in enumerate(names):
        site.article(f"/docs/{name}", f"Page {number}", f"Number {number}. " + "Words and more words. " * 60)
    return site.url("/docs/")


def _silent_for(word: str):  # type: ignore[no-untyped-def]
    def answer(request: Request) -> Reply | Silence:
        return Silence() if any(word in text for text in request.json()["input"]) else embed_reply()(request)

    return answer


async def _stored(database: PostgresDatabase, source_id: str) -> list[tuple[str, int, str]]:
    chunks = await pages.chunks(database, source_id, limit=1000)
    return sorted((chunk.url, chunk.chunk_number, chunk.content) for chunk in chunks.items)


async def _kill_when(database_url: str, model_url: str, service: IngestService, job: str, pages_stored: int) -> None:
    """Let another process work on the job until so many pages are stored, and kill it."""
    async with worker(database_url, model_url) as process:
        await until(service, job, lambda now: now.tally.pages_stored >= pages_stored)
        process.kill()


def _trip(moment: str, site: Site, models: ModelServer) -> int:
    """Make the job stand still at a moment; how many pages are stored by then."""
    if moment == "embedding":
        models.on("/v1/embeddings", _silent_for("Number 5."))
        return 1
    site.answer("/docs/p7.html", Answer(hold=asyncio.Event()))
    return 2 if moment == "fetching" else COUNT - 2


@pytest.mark.parametrize("moment", ["fetching", "embedding", "storing"])
async def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    moment: str, site: Site, models: ModelServer, database: PostgresDatabase, database_url: str
) -> None:
    start, healthy = _site_of_pages(site), dict(site.answers)
    needed = _trip(moment, site, models)
    async with open_service(database, models.url, started=False) as service:
        job = await service.start_crawl(CrawlRequest(start))
        await _kill_when(database_url, models.url, service, job, needed)
        models.on("/v1/embeddings", embed_reply())
        site.answers.update(healthy)
        await service.resume_interrupted()
        end = await ended(service, job)
    stored = await _stored(database, end.source_id)
    assert (end.status, end.tally.pages_stored, (await jobs.get(database, job)).attempts) == ("completed", COUNT + 1, 2)
    assert len({(url, number) for url, number, _ in stored}) == len(stored) == end.tally.chunks_stored
    assert {url for url, _, _ in stored} == {start, *(start + f"p{number}.html" for number in range(COUNT))}


async def test_a_killed_worker_does_not_fetch_its_stored_pages_again(
    site: Site, models: ModelServer, database: PostgresDatabase, database_url: str
) -> None:
    start = _site_of_pages(site)
    async with open_service(database, models.url, started=False) as service:
        job = await service.start_crawl(CrawlRequest(start))
        await _kill_when(database_url, models.url, service, job, _trip("embedding", site, models))
        models.on("/v1/embeddings", embed_reply())
        rows = await jobs.frontier(database, job)
        done = {row.address.url.removeprefix(site.base) for row in rows if row.state == "stored"}
        site.hits.clear()
        await service.resume_interrupted()
        await ended(service, job)
    assert done
    assert not done & set(site.hits)
