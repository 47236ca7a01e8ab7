"""Kill -9 of a worker at chosen or random moments of a refresh, and what the store is like afterwards.

`python -m tests.ingest.crash [--kills N] [--seed S] [--log FILE]` does it N times at random moments and once at each
boundary between stages, against a Postgres of its own, and writes a log with a line for each kill.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from src.config import REPOSITORY
from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.store.database import Database, Row, SqlValue, StoreState
from src.store.embedded import EmbeddedPostgres
from src.store.migrate import migrate
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer, running

from .parts import embed_reply, ended, open_service, vector_of
from .site import Answer, Site, running_site

PAGES = 5
_SPAWN = multiprocessing.get_context("forkserver")
_SPAWN.set_forkserver_preload(["tests.ingest.crash"])


@dataclass(frozen=True)
class Moment:
    """When a worker dies: at the `nth` call of `function` (any function: None), before or after it, a little later."""

    name: str
    function: str | None
    nth: int = 1
    after: bool = False
    later_s: float = 0.0


# The seventh is in an even version: then a page has vanished.
BOUNDARIES = (
    Moment("job taken", "archon_job_beat", after=True),
    Moment("space opened", "archon_space_open", after=True),
    Moment("address taken in hand", "archon_frontier_claim", after=True),
    Moment("links kept", "archon_frontier_add", after=True),
    Moment("read and cut", "archon_page_keep", nth=2),
    Moment("embedded, before it is written", "archon_page_save_whole", nth=2),
    Moment("vanished page removed", "archon_page_remove", after=True),
    Moment("written", "archon_page_save_whole", nth=2, after=True),
    Moment("summed up", "archon_source_settle", after=True),
    Moment("before the job is ended", "archon_job_finish"),
    Moment("job ended", "archon_job_finish", after=True),
)


def random_moments(count: int, seed: int) -> list[Moment]:
    """`count` moments, the same ones for the same seed."""
    chosen = random.Random(seed)
    return [
        Moment(f"random {number}", None, chosen.randint(1, 70), chosen.random() < 0.5, chosen.uniform(0, 0.02))
        for number in range(count)
    ]


@dataclass
class Dying:
    """A database whose caller is killed at a moment."""

    inner: Database
    moment: Moment
    _calls: int = 0

    async def call(self, function: str, /, **arguments: SqlValue) -> list[Row]:
        hit = False
        if self.moment.function in (None, function):
            self._calls += 1
            hit = self._calls == self.moment.nth
        if hit and not self.moment.after:
            self._die()
        rows = await self.inner.call(function, **arguments)
        if hit and self.moment.after:
            self._die()
        return rows

    async def call_long(self, function: str, /, **arguments: SqlValue) -> list[Row]:
        return await self.inner.call_long(function, **arguments)

    def _die(self) -> None:
        if self.moment.later_s:
            threading.Timer(self.moment.later_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    async def state(self) -> StoreState:
        return await self.inner.state()

    async def close(self) -> None:
        await self.inner.close()


def doomed(database_url: str, model_url: str, moment: Moment) -> None:
    """A worker process that is killed at a moment, or ends when there is nothing left to do."""
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - it lives as long as the process
    asyncio.run(_doomed(database_url, model_url, moment))


async def _doomed(database_url: str, model_url: str, moment: Moment) -> None:
    database = await PostgresDatabase.connect(database_url)
    async with open_service(Dying(database, moment), model_url) as service:
        [job, *_] = await service.running()
        await ended(service, job.job_id)


@dataclass
class World:
    """A store, a model, a site that has another version each time, and a healthy service."""

    url: str
    database: PostgresDatabase
    models: ModelServer
    site: Site
    version: int = 0
    source_id: str = ""
    kills: int = 0
    faults: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        """Crawl the first version."""
        self.next_version()
        async with open_service(self.database, self.models.url) as service:
            end = await ended(service, await service.start_crawl(CrawlRequest(self.site.url("/docs/"))))
        self.source_id = end.source_id

    def next_version(self) -> None:
        """Every page has new words; one page is there in odd versions only."""
        self.version += 1
        names = [f"p{number}.html" for number in range(PAGES)] + (["odd.html"] if self.version % 2 else [])
        mark = f"version{self.version}x"
        for name in names:
            words = " ".join(f"{mark} has sentence {number} of {name}." for number in range(40))
            self.site.article(f"/docs/{name}", f"Page {name}", words)
        self.site.article("/docs/", "Start", f"{mark} the start.", tuple(names))
        if not self.version % 2:
            self.site.answer("/docs/odd.html", Answer(b"gone", 404))

    async def kill_at(self, moment: Moment) -> str:
        """Refresh with a worker that dies at a moment, look, finish with a healthy one, look; a line for the log."""
        begun = time.monotonic()
        self.next_version()
        async with open_service(self.database, self.models.url, started=False) as service:
            job = await service.refresh(self.source_id)
            process = _SPAWN.Process(target=doomed, args=(self.url, self.models.url, moment))
            process.start()
            await asyncio.to_thread(process.join)
            killed = process.exitcode == -signal.SIGKILL
            self.kills += killed
            between = await self._look(finished=False)
            end = await self._finish(service, job)
        after = await self._look(finished=True)
        faults = [*between, *after, *([] if end == "completed" else [f"the job ended as {end}"])]
        self.faults += [f"{moment.name}: {fault}" for fault in faults]
        how = "killed" if killed else "ended before"
        verdict = "good" if not faults else "; ".join(faults)
        return f"{moment.name:<34} {_when(moment):<34} {how:<13} {time.monotonic() - begun:5.1f} s  {verdict}"

    async def _finish(self, service: IngestService, job: str) -> str:
        await service.resume_interrupted()
        return (await ended(service, job)).status

    async def _look(self, *, finished: bool) -> list[str]:
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            rows = await (await connection.execute(_PAGES)).fetchall()
            [(orphans,)] = await (await connection.execute(_ORPHANS)).fetchall()
        faults = [f"{orphans} rows belong to nothing"] if orphans else []
        faults += [fault for row in rows for fault in self._faults_of(row, finished=finished)]
        wanted = PAGES + 1 + self.version % 2
        if finished and len(rows) != wanted:
            faults.append(f"{len(rows)} pages instead of {wanted}")
        return faults

    def _faults_of(self, row: tuple[object, ...], *, finished: bool) -> Iterator[str]:
        url, content, texts, vectors, chunk_count = row
        assert isinstance(texts, list)
        assert isinstance(vectors, list)
        allowed = [self.version] if finished else [self.version, self.version - 1, self.version - 2]
        version = next((number for number in allowed if f"version{number}x" in str(content)), None)
        if version is None:
            yield f"{url} is of another version"
        if {found for text in texts for found in re.findall(r"version(\d+)x", str(text))} != {str(version)}:
            yield f"{url} has passages of two versions"
        if len(texts) != chunk_count or len(set(texts)) < len(texts):
            yield f"{url} has {len(texts)} passages instead of {chunk_count}"
        wanted = [[round(value, 4) for value in vector_of(str(text))] for text in texts]
        if [_numbers(vector) for vector in vectors] != wanted:
            yield f"{url} has vectors that are not its passages'"


_PAGES = """
select p.url, p.full_content,
       array_agg(archon_embedded_text(c.content, c.heading_path, c.metadata) order by c.chunk_number),
       array_agg((select string_agg(v.embedding::text, '|') from archon_chunk_vectors v where v.chunk_id = c.id)
                 order by c.chunk_number),
       p.chunk_count
from archon_page_metadata p join archon_crawled_pages c on c.page_id = p.id
group by p.id, p.url, p.full_content, p.chunk_count
"""
_ORPHANS = """
select (select count(*) from archon_chunk_vectors v
        where not exists (select 1 from archon_crawled_pages c where c.id = v.chunk_id))
     + (select count(*) from archon_crawled_pages c where c.page_id is null)
     + (select count(*) from archon_page_metadata p
        where not exists (select 1 from archon_crawled_pages c where c.page_id = p.id))
"""


def _numbers(vector: object) -> list[float]:
    return [round(float(part), 4) for part in str(vector).strip("[]").split(",")]


def _when(moment: Moment) -> str:
    place = "after" if moment.after else "before"
    later = f" + {moment.later_s * 1000:.0f} ms" if moment.later_s else ""
    return f"{place} {moment.function or 'call'} {moment.nth}{later}"


@asynccontextmanager
async def open_world(database_url: str) -> AsyncIterator[World]:
    """A store with the first version of the site in it."""
    database = await PostgresDatabase.connect(database_url)
    try:
        async with running() as models, running_site() as site:
            models.on("/v1/embeddings", embed_reply())
            world = World(database_url, database, models, site)
            await world.begin()
            yield world
    finally:
        await database.close()


async def crash(database_url: str, moments: Sequence[Moment]) -> tuple[World, list[str]]:
    """Kill at each moment; the lines of the log."""
    async with open_world(database_url) as world:
        lines = []
        for moment in moments:
            lines.append(await world.kill_at(moment))
            print(lines[-1], flush=True)
        return world, lines


def main() -> int:
    """Do it, write the log; 1 where something was lost or doubled."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--log", type=Path, default=REPOSITORY / "docs" / "crash-log.txt")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="archon-crash-"))
    folder.chmod(0o711)
    cluster = EmbeddedPostgres(folder / "postgres")
    try:
        url = cluster.start()
        asyncio.run(migrate(url, REPOSITORY / "migration"))
        moments = [*BOUNDARIES, *random_moments(chosen.kills, chosen.seed)]
        world, lines = asyncio.run(crash(url, moments))
    finally:
        cluster.stop()
    total = f"{len(moments)} refreshes, {world.kills} workers killed with SIGKILL, {len(world.faults)} faults"
    head = f"Seed {chosen.seed}. A refresh of {PAGES + 1} or {PAGES + 2} pages is killed at each moment, then finished."
    chosen.log.write_text("\n".join([head, total, "", *lines, ""]), encoding="utf-8")
    print(f"{total}; log: {chosen.log}")
    return 1 if world.faults else 0


if __name__ == "__main__":
    sys.exit(main())
