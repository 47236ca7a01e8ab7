"""A database that goes away in the middle of a crawl, and comes back."""

from __future__ import annotations

import asyncio

from src.ingest.requests import CrawlRequest
from src.store import pages
from src.store.embedded import EmbeddedPostgres
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer

from .parts import ended, open_service, until
from .site import Answer, Site
from .test_crawl import small_site


async def test_a_database_that_restarts_is_waited_for(
    site: Site, models: ModelServer, cluster: EmbeddedPostgres, own_database: PostgresDatabase
) -> None:
    start, gate = small_site(site), asyncio.Event()
    site.answer("/docs/a.html", Answer(hold=gate), *site.answers["/docs/a.html"])
    async with open_service(own_database, models.url) as service:
        job = await service.start_crawl(CrawlRequest(start))
        first = await until(service, job, lambda now: now.tally.pages_stored >= 1)
        await asyncio.to_thread(cluster.stop)
        gate.set()
        await until(service, job, lambda now: now.message.startswith("Waiting"))
        await asyncio.to_thread(cluster.start)
        end = await ended(service, job)
    stored = await pages.listing(own_database, first.source_id)
    assert (end.status, len(stored)) == ("completed", end.tally.pages_stored)
