"""Refreshing by a schedule: when its time has come, once, whoever works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.store import jobs, schedules
from src.store.jobs import Job
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer

from .parts import ended, open_service
from .site import Site
from .test_crawl import small_site

DAY_S = 24 * 3600.0
EXPIRED = "update archon_sources set next_refresh_at = now() - interval '1 second' where source_id = %s"


@pytest.fixture
async def idle(database: PostgresDatabase, models: ModelServer) -> AsyncIterator[IngestService]:
    """A service that queues, and works on nothing."""
    async with open_service(database, models.url, started=False) as opened:
        yield opened


@pytest.fixture
async def source(site: Site, service: IngestService, database: PostgresDatabase, database_url: str) -> str:
    """A crawled source that is read anew every day, and is due; nobody works any more."""
    crawled = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    await service.close()
    await schedules.change(database, crawled.source_id, every_s=DAY_S)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(EXPIRED, (crawled.source_id,))
    return crawled.source_id


async def _refreshes(database: PostgresDatabase, source: str) -> list[Job]:
    return [job for job in await jobs.of_source(database, source) if job.kind == "refresh"]


async def _next_in(database: PostgresDatabase, source: str) -> timedelta:
    schedule = await schedules.of_source(database, source)
    assert schedule.next_refresh_at is not None
    return schedule.next_refresh_at - datetime.now(UTC)


async def test_a_source_that_is_due_is_read_anew_and_stands_in_the_history(
    source: str, site: Site, models: ModelServer, database: PostgresDatabase
) -> None:
    site.article("/docs/a.html", "Page A", "Changed words.")
    async with open_service(database, models.url) as first, open_service(database, models.url), asyncio.timeout(60):
        while not (found := await _refreshes(database, source)):
            pass
        await ended(first, found[0].id)
    [job] = (await jobs.listed(database, source_id=source, states=["completed"])).items[:-1]
    assert job.result is not None
    assert (job.kind, job.result["pages_stored"], job.result["pages_unchanged"]) == ("refresh", 1, 2)
    assert await _next_in(database, source) > timedelta(hours=23)


async def test_a_visit_that_is_due_is_begun_once_by_all_who_see_it(
    source: str, idle: IngestService, models: ModelServer, database: PostgresDatabase
) -> None:
    async with open_service(database, models.url, started=False) as other:
        begun = await asyncio.gather(*(one.refresh_if_due(source) for one in (idle, other) * 4))
    assert [job for job in begun if job] == [job.id for job in await _refreshes(database, source)]
    assert sum(job is not None for job in begun) == 1


async def test_a_source_that_is_being_worked_on_is_due_again_soon(
    source: str, idle: IngestService, database: PostgresDatabase
) -> None:
    await idle.refresh(source)
    await idle.caretaker.refresh_due()
    assert len(await _refreshes(database, source)) == 1
    assert timedelta() < await _next_in(database, source) <= timedelta(minutes=5)


async def test_a_source_that_is_not_due_is_left_alone(
    source: str, idle: IngestService, database: PostgresDatabase
) -> None:
    await schedules.change(database, source, every_s=DAY_S)
    await idle.caretaker.refresh_due()
    assert (await idle.refresh_if_due(source), await _refreshes(database, source)) == (None, [])


async def test_a_visit_that_could_not_be_queued_is_due_as_before(
    source: str, idle: IngestService, database: PostgresDatabase, database_url: str
) -> None:
    refusing = "alter table archon_jobs add constraint no_more check (kind <> 'refresh') not valid"
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(refusing)
        await idle.caretaker.refresh_due()
        await connection.execute("alter table archon_jobs drop constraint no_more")
    await idle.caretaker.refresh_due()
    assert len(await _refreshes(database, source)) == 1
