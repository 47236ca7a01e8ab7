"""A disk that has no room: a clear stop, nothing harmed, and on from there once there is room."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from src.errors import DiskFull
from src.inference.embed import build_embedder
from src.inference.models import Embedder
from src.ingest.progress import JobProgress
from src.ingest.requests import CrawlRequest, UploadRequest
from src.search.query import SearchService
from src.store import pages
from src.store.disk_room import DiskRoom
from src.store.embedded import EmbeddedPostgres
from src.store.postgres import PostgresDatabase
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer

from .parts import ended, open_service, until
from .site import Site
from .test_crawl import small_site

ALL = 10**18
"""More bytes than any disk has."""
FILL = """
alter table archon_page_metadata alter full_content set storage external;
insert into archon_page_metadata (source_id, url, url_key, full_content, word_count, char_count)
  select source_id, 'filler', 'filler', repeat('x', 20000000), 1, 20000000 from archon_sources;
"""
SIZE = "select pg_relation_size(reltoastrelid) from pg_class where relname = 'archon_page_metadata'"


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Programs that are started meanwhile cannot let a file grow beyond `size` bytes, as on a disk that is full."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


async def fill(url: str) -> int:
    """Let the file of the pages' texts become larger than any other; its size."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(FILL)
        row = await (await connection.execute(SIZE)).fetchone()
    assert row is not None
    return int(row[0])


async def restart(cluster: EmbeddedPostgres) -> None:
    await asyncio.to_thread(cluster.stop)
    await asyncio.to_thread(cluster.start)


async def found(database: PostgresDatabase, models: ModelServer, words: str) -> list[str]:
    """What a search shows."""

    async def embedder() -> Embedder:
        return build_embedder(chosen("embedding", VLLM_BASE_URL=models.url))

    return [hit.content for hit in (await SearchService(database, embedder).search(words)).hits]


def reason(end: JobProgress) -> tuple[str, object]:
    return end.status, end.detail and end.detail["code"]


async def test_a_database_whose_files_cannot_grow_stops_the_job_harms_nothing_and_goes_on_with_room(
    site: Site, models: ModelServer, cluster: EmbeddedPostgres, own_database: PostgresDatabase
) -> None:
    draw = random.Random(5)
    async with open_service(own_database, models.url) as service:
        first = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
        with files_up_to(await fill(await asyncio.to_thread(cluster.start))):
            await restart(cluster)
        site.article("/docs/b.html", "Page B", "Newer words. " + " ".join(f"{draw.random()}" for _ in range(3000)))
        full = await ended(service, await service.refresh(first.source_id))
        before = (await pages.by_url(own_database, site.url("/docs/b.html"))).full_content
        hits = await found(own_database, models, "Words of page b.")
        await restart(cluster)
        await service.retry(full.job_id)
        again = await ended(service, full.job_id)
    after = (await pages.by_url(own_database, site.url("/docs/b.html"))).full_content
    assert (reason(full), "Words of page b." in before, "Words of page b." in hits[0]) == (
        ("failed", "disk_full"),
        True,
        True,
    )
    assert (again.status, "Newer words." in after) == ("completed", True)


async def test_a_job_ends_before_the_disk_is_full_and_goes_on_when_there_is_room(
    site: Site, models: ModelServer, database: PostgresDatabase, tmp_path: Path
) -> None:
    room, start, gate = DiskRoom(tmp_path, 0), small_site(site), asyncio.Event()
    for name in "ab":
        site.answers[f"/docs/{name}.html"][0].hold = gate
    async with open_service(database, models.url, room=room) as service:
        job = await service.start_crawl(CrawlRequest(start))
        await until(service, job, lambda now: now.tally.pages_stored == 1)
        room.keep_bytes = ALL
        full = await ended(service, job)
        room.keep_bytes = 0
        gate.set()
        await service.retry(job)
        again = await ended(service, job)
    assert (reason(full), full.tally.pages_stored) == (("failed", "disk_full"), 1)
    assert "MB left" in full.message
    assert (again.status, len(await pages.listing(database, again.source_id))) == ("completed", 3)


async def test_nothing_is_begun_without_room(models: ModelServer, database: PostgresDatabase, tmp_path: Path) -> None:
    async with open_service(database, models.url, room=DiskRoom(tmp_path, ALL)) as service:
        with pytest.raises(DiskFull, match="MB left"):
            await service.start_upload(UploadRequest("a.md", b"# A"))
        with pytest.raises(DiskFull, match="MB left"):
            await service.start_crawl(CrawlRequest("http://127.0.0.1:9/"))
        assert await service.running() == []
