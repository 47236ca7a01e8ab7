"""One crawl through the product into an empty (or a filled) database, and the same rows put in by a bare client."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import psycopg
from _ingest_site import served
from _kept_vectors import KeptVectors
from _parts import active
from _watched import Watched
from search import CACHE, docstrings, fill

from src.inference.embed import build_embedder
from src.inference.models import Embedder
from src.ingest.fetch import FetchPolicy
from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.store import vectors
from src.store.database import Database
from src.store.postgres import PostgresDatabase

DIMENSIONS = 384
INSERT = 64
"""Rows that the bare client sends together."""


@dataclass(frozen=True)
class Run:
    """A crawl: wall and processor seconds, texts that were embedded, most memory it had (MB), passages stored."""

    seconds: float
    cpu_s: float
    texts: list[str]
    memory_mb: float
    stored: int


@dataclass(frozen=True)
class Way:
    """How texts are sent straight."""

    batch: int
    at_once: int


async def crawl(folder: Path, database: str, model_url: str, *, keep: bool = True, memory: bool = False) -> Run:
    """Crawl the site in `folder`; the texts are kept and the memory is looked at where wanted.

    Raises:
        SystemExit: not every page was stored.
    """
    connected = await PostgresDatabase.connect(database)
    try:
        return await crawl_into(folder, connected, model_url, keep=keep, memory=memory)
    finally:
        await connected.close()


async def crawl_into(
    folder: Path, database: Database, model_url: str, *, keep: bool = True, memory: bool = False
) -> Run:
    """`crawl` into a store that is open already, which stays open. Raises SystemExit."""
    watched = Watched(build_embedder(active(model_url, "embedding")), keep=keep)

    async def factory() -> Embedder:
        return watched

    service = IngestService(database, factory, FetchPolicy(allow_private=True))
    try:
        async with served(folder) as site, Memory(memory) as watch:
            await service.resume_interrupted()
            begun, cpu = time.perf_counter(), _cpu_s()
            job = await service.start_crawl(CrawlRequest(site, max_depth=2, max_pages=100_000))
            *_, last = [progress async for progress in service.watch(job)]
            seconds, cpu = time.perf_counter() - begun, _cpu_s() - cpu
    finally:
        await service.close()
    if last.status != "completed" or last.tally.failures:
        raise SystemExit(f"The crawl ended as {last.status}: {last.message} {last.tally.failures[:3]}")
    stored = last.tally.chunks_stored
    return Run(seconds, cpu, watched.texts[-stored:], watch.most_mb, stored)


def _cpu_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class Memory:
    """The most memory that this process and its readers had together, looked at every second where wanted."""

    def __init__(self, wanted: bool) -> None:
        self.most_mb = 0.0
        self._wanted = wanted
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Memory:
        if self._wanted:
            self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _look(self) -> None:
        own = psutil.Process(os.getpid())
        while True:
            readers = [child for child in own.children() if "reader_child" in " ".join(child.cmdline())]
            used = sum(process.memory_info().rss for process in (own, *readers))
            self.most_mb = max(self.most_mb, used / 1e6)
            await asyncio.sleep(1.0)


async def filled(database: str, model_url: str, passages: int) -> None:
    """Store so many passages in the space of the server's model: vectors of its own, and those plus noise."""
    connected = await PostgresDatabase.connect(database)
    embedder = build_embedder(active(model_url, "embedding"))
    texts = docstrings()[: min(1_500, passages // 10)]
    try:
        with KeptVectors(CACHE / "vectors.sqlite", embedder) as kept:
            await fill(database, connected, embedder, texts, await kept.of(texts), passages)
    finally:
        await connected.close()


async def straight(model_url: str, texts: Sequence[str], way: Way) -> float:
    """Seconds to embed `texts` with nothing around it."""
    batches = [list(texts[start : start + way.batch]) for start in range(0, len(texts), way.batch)]
    slots = asyncio.Semaphore(way.at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send(batch: list[str]) -> None:
            async with (
                slots,
                session.post(f"{model_url}/v1/embeddings", json={"input": batch, "encoding_format": "base64"}) as reply,
            ):
                reply.raise_for_status()
                await reply.read()

        begun = time.perf_counter()
        await asyncio.gather(*(send(batch) for batch in batches))
        return time.perf_counter() - begun


async def bare_insert(database: str, texts: Sequence[str]) -> float:
    """Rows a second that a bare client puts into the product's own tables in batches, with the same indexes."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await vectors.register(connection)  # type: ignore[arg-type]
        space, part, page = await _place(connection)
        vector = array("f", [0.05] * DIMENSIONS)
        begun = time.perf_counter()
        for start in range(0, len(texts), INSERT):
            batch = list(texts[start : start + INSERT])
            async with connection.transaction():
                rows = await (
                    await connection.execute(
                        "insert into archon_crawled_pages (url, chunk_number, content, source_id, page_id)"
                        " select 'http://bare', %s + t.n, t.content, 'bare', %s"
                        " from unnest(%s::text[]) with ordinality t (content, n) returning id",
                        (start, page, batch),
                    )
                ).fetchall()
                await connection.execute(
                    "insert into archon_chunk_vectors (space_id, part, chunk_id, embedding)"
                    " select %s, %s, t.id, t.e from unnest(%s::bigint[], %b::vector[]) t (id, e)",
                    (space, part, [row[0] for row in rows], [vector] * len(batch)),
                )
        return len(texts) / (time.perf_counter() - begun)


async def _place(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> tuple[object, object, object]:
    """A space, its fresh part and a page to put rows below."""
    await connection.execute("insert into archon_sources (source_id) values ('bare') on conflict do nothing")
    [(page,)] = await (
        await connection.execute(
            "insert into archon_page_metadata (source_id, url, full_content, word_count, char_count)"
            " values ('bare', 'http://bare', '', 0, 0) returning id"
        )
    ).fetchall()
    [(space, part)] = await (
        await connection.execute(
            "select id, fresh_part from archon_space_ensure('bare', %s, true, '', '')", (DIMENSIONS,)
        )
    ).fetchall()
    return space, part, page
