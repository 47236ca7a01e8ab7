"""`kill -9` of a worker in the middle of a crawl: nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from src.config import REPOSITORY
from src.ingest.requests import CrawlRequest
from src.store import jobs, pages
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer, Reply, Request, Silence

from .parts import embed_reply, ended, open_service, until
from .site import Answer, Site

COUNT = 8


def _site_of_pages(site: Site) -> str:
    names = tuple(f"p{number}.html" for number in range(COUNT))
    site.article("/docs/", "Start", "The first page.", names)
    for number, name in enumerate(names):
        site.article(f"/docs/{name}", f"Page {number}", f"Number {number}. " + "Words and more words. " * 60)
    return site.url("/docs/")


@asynccontextmanager
async def _worker(database_url: str, model_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.ingest.worker_process", database_url, model_url), cwd=REPOSITORY / "python"
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _silent_for(word: str):  # type: ignore[no-untyped-def]
    def answer(request: Request) -> Reply | Silence:
        return Silence() if any(word in text for text in request.json()["input"]) else embed_reply()(request)

    return answer


async def _stored(database: PostgresDatabase, source_id: str) -> list[tuple[str, int, str]]:
    chunks = await pages.chunks(database, source_id, limit=1000)
    return sorted((chunk.url, chunk.chunk_number, chunk.content) for chunk in chunks.items)


@pytest.mark.parametrize("moment", ["fetching", "embedding", "storing"])
async def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    moment: str, site: Site, models: ModelServer, database: PostgresDatabase, database_url: str
) -> None:
    start, needed = _site_of_pages(site), {"fetching": 2, "embedding": 1, "storing": COUNT - 2}[moment]
    healthy = site.answers["/docs/p7.html"]
    if moment == "embedding":
        models.on("/v1/embeddings", _silent_for("Number 5."))
    else:
        site.answer("/docs/p7.html", Answer(hold=asyncio.Event()))
    async with open_service(database, models.url, started=False) as service:
        job = await service.start_crawl(CrawlRequest(start))
        async with _worker(database_url, models.url) as process:
            await until(service, job, lambda now: now.tally.pages_stored >= needed)
            process.kill()
        models.on("/v1/embeddings", embed_reply())
        site.answers["/docs/p7.html"] = healthy
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
    models.on("/v1/embeddings", _silent_for("Number 5."))
    async with open_service(database, models.url, started=False) as service:
        job = await service.start_crawl(CrawlRequest(start))
        async with _worker(database_url, models.url) as process:
            await until(service, job, lambda now: now.tally.pages_stored >= 1)
            process.kill()
        models.on("/v1/embeddings", embed_reply())
        rows = await jobs.frontier(database, job)
        done = {row.address.url.removeprefix(site.base) for row in rows if row.state == "stored"}
        site.hits.clear()
        await service.resume_interrupted()
        await ended(service, job)
    assert done
    assert not done & set(site.hits)
