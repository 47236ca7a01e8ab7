"""One crawl, several processes: `archon worker` beside the one that leads."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
import pytest

from src.config import REPOSITORY
from src.ingest.progress import JobProgress
from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.store import pages
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer

from .parts import ended, open_service, until
from .site import Site

COUNT = 48
LEADS = 8
"""Pages that the leader has open at once; more open ones are another worker's."""


class Gate(asyncio.Event):
    """Holds answers back; `crowded` is set when more wait than the leader alone would ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.crowded = asyncio.Event()
        self.inside = 0

    async def wait(self) -> bool:  # type: ignore[override]
        self.inside += 1
        if self.inside > LEADS + 2:
            self.crowded.set()
        return await super().wait()


def _held_site(site: Site, gate: Gate) -> str:
    names = tuple(f"p{number}.html" for number in range(COUNT))
    site.article("/docs/", "Start", "The first page.", names)
    for number, name in enumerate(names):
        site.article(f"/docs/{name}", f"Page {number}", f"Number {number}. Words and more words.")
        site.answers[f"/docs/{name}"][0].hold = gate
    return site.url("/docs/")


@asynccontextmanager
async def _process(arguments: Sequence[str], **values: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {"PATH": os.environ["PATH"], **values}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments), cwd=REPOSITORY / "python", env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _archon_worker(tmp_path: object, url: str, models: ModelServer):  # type: ignore[no-untyped-def]
    return _process(
        ("src.cli", "worker"),
        DATABASE_URL=url,
        ARCHON_DATA_DIR=str(tmp_path),
        ARCHON_ALLOW_PRIVATE_ADDRESSES="true",
        EMBEDDING_PROVIDER="vllm",
        VLLM_BASE_URL=models.url,
    )


async def _owners(url: str, job: str) -> set[str]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(
            "select distinct split_part(owner, ':', 2) from archon_job_pages where job_id = %s and state = 'stored'",
            (job,),
        )
        return {str(row[0]) for row in await cursor.fetchall()}


async def _led(service: IngestService, site: Site, gate: Gate) -> str:
    """A crawl under way, with its pages held back."""
    job = await service.start_crawl(CrawlRequest(_held_site(site, gate)))
    await until(service, job, lambda now: now.total_pages > COUNT)
    return job


async def _all_there(database: PostgresDatabase, end: JobProgress) -> bool:
    listed = await pages.listing(database, end.source_id)
    return (end.status, end.tally.pages_stored, len(listed)) == ("completed", COUNT + 1, COUNT + 1)


async def test_a_worker_in_another_process_shares_a_crawl(
    site: Site, models: ModelServer, database: PostgresDatabase, database_url: str, tmp_path: object
) -> None:
    gate = Gate()
    async with open_service(database, models.url) as service:
        job = await _led(service, site, gate)
        async with _archon_worker(tmp_path, database_url, models) as worker, asyncio.timeout(60):
            await gate.crowded.wait()
            gate.set()
            end = await ended(service, job)
            assert await _owners(database_url, job) == {str(os.getpid()), str(worker.pid)}
    assert await _all_there(database, end)
    asked = [path for path in site.hits if path != "/robots.txt"]  # each worker reads the rules itself
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_what_a_worker_had_in_hand_when_it_left_is_done_by_the_others(
    how: signal.Signals, site: Site, models: ModelServer, database: PostgresDatabase, database_url: str
) -> None:
    gate = Gate()
    async with open_service(database, models.url) as service:
        job = await _led(service, site, gate)
        async with _process(("tests.ingest.worker_process", database_url, models.url)) as worker, asyncio.timeout(60):
            await gate.crowded.wait()
            worker.send_signal(how)
            await worker.wait()
            gate.set()
            end = await ended(service, job)
    assert await _all_there(database, end)


async def test_workers_keep_a_sites_pause_together(
    site: Site, models: ModelServer, database: PostgresDatabase, database_url: str
) -> None:
    gate = Gate()
    start = _held_site(site, gate)
    site.page("/robots.txt", "User-agent: *\nCrawl-delay: 0.1", "text/plain")
    async with open_service(database, models.url) as service:
        job = await service.start_crawl(CrawlRequest(start))
        async with _process(("tests.ingest.worker_process", database_url, models.url)), asyncio.timeout(60):
            await gate.crowded.wait()
            before, opened = len(site.times), time.monotonic()
            gate.set()
            end = await ended(service, job)
    pauses = len(site.times) - before - 1
    assert await _all_there(database, end)
    assert (pauses > COUNT / 2, site.times[-1] - opened > pauses * 0.1 * 0.95) == (True, True)


async def test_a_crawl_of_an_archon_worker_can_be_followed_from_the_server(
    site: Site, models: ModelServer, database: PostgresDatabase, database_url: str, tmp_path: object
) -> None:
    gate = Gate()
    gate.set()
    async with open_service(database, models.url, started=False) as service:
        job = await service.start_crawl(CrawlRequest(_held_site(site, gate)))
        async with _archon_worker(tmp_path, database_url, models) as worker, asyncio.timeout(60):
            end = await ended(service, job)
            worker.terminate()
            assert await worker.wait() == 0
    assert await _all_there(database, end)
