"""Supabase's adapter over the embedded one: storing pages, and searching.

    python bench/stores.py [--quick] [--pairs N]

Both stores are the same Postgres, once through psycopg and once through a Supabase-compatible server without Docker on
this machine, in alternating order. Storing is the writing alone, without embedding: what a whole ingest loses is less.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from array import array
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from _measure import circumstances, percentile, spread, verdict
from _parts import database_url

from src.store import jobs, pages, sources, spaces
from src.store.database import Database
from src.store.migrate import migrate
from src.store.place import MIGRATIONS, StorePlace
from src.store.search import Scope, SearchRepository
from tests.fixtures.database import with_database
from tests.fixtures.supabase import LIVE, prepare, serving

SIZE, CHUNKS, AT_ONCE = 384, 12, 4
SLOWEST, LATER_MS = 0.5, 30.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pairs", type=int)
    chosen = parser.parse_args()
    pairs = chosen.pairs or (1 if chosen.quick else 7)
    print(f"stores: {circumstances()}")
    with tempfile.TemporaryDirectory() as folder, database_url() as url:
        live = prepare(url, LIVE)
        asyncio.run(migrate(live, MIGRATIONS))
        with serving(url) as server:
            direct = StorePlace("embedded", Path(folder), with_database(url, "postgres"))
            faced = StorePlace("supabase", Path(folder), server.url, server.key)
            asyncio.run(measure(direct, faced, pairs, 4 if chosen.quick else 60))
    print(f"  after: {circumstances()}")
    return 0


async def measure(direct: StorePlace, faced: StorePlace, pairs: int, wanted: int) -> None:
    """Alternate between both and print rates, latencies and their verdicts."""
    rates: dict[str, list[float]] = {direct.kind: [], faced.kind: []}
    late: dict[str, list[float]] = {direct.kind: [], faced.kind: []}
    async with direct.opened() as first, faced.opened() as second:
        both = [(direct.kind, first), (faced.kind, second)]
        for _name, database in both:  # the warm-up of both
            await store_pages(database, 2, "warm")
        for number in range(pairs):
            for name, database in both if number % 2 == 0 else reversed(both):
                rates[name].append(await store_pages(database, wanted, f"{name}{number}"))
                late[name].append(await search_p95_ms(database, 5 * wanted))
    for name in rates:
        print(f"  {name:9} storing   {spread(rates[name], 'chunks/s')}")
        print(f"  {name:9} searching {spread(late[name], 'ms (p95 of each round)')}")
    ratios = [slow / quick for slow, quick in zip(rates[faced.kind], rates[direct.kind], strict=True)]
    behind = [slow - quick for slow, quick in zip(late[faced.kind], late[direct.kind], strict=True)]
    print("  " + verdict("storing through Supabase over storing directly", ratios, SLOWEST, at_most=False))
    print("  " + verdict("search p95 through Supabase minus directly", behind, LATER_MS, at_most=True, unit=" ms"))


async def store_pages(database: Database, wanted: int, source_id: str) -> float:
    """Chunks a second of `wanted` pages, a few at once."""
    await sources.ensure(database, source_id=source_id, url="https://b/", display_name="b", title="b", metadata={})
    job = await jobs.create(database, kind="crawl", source_id=source_id, request={}, progress={})
    await jobs.claim(database, source_id, lease_s=3600)
    space = await spaces.ensure(database, model="bench", dimensions=SIZE)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        key = f"https://b/{source_id}/{number}"
        page = pages.NewPage(key, key, "T", "word " * 400, key, "en", 400, None, number, {})
        chunks = [pages.NewChunk(f"{vector_words()} {n}", (), 90, None, {}, vector()) for n in range(CHUNKS)]
        async with room:
            await pages.save(
                database, pages.WorkPlace(job.id, source_id, source_id, key), page, chunks, space_id=space.id
            )

    begun = time.monotonic()
    await asyncio.gather(*(one(number) for number in range(wanted)))
    rate = wanted * CHUNKS / (time.monotonic() - begun)
    await jobs.finish(database, job.id, source_id, state="completed", progress={}, result={}, error=None)
    return rate


async def search_p95_ms(database: Database, wanted: int) -> float:
    """95th percentile of `wanted` searches, one after the other, in milliseconds."""
    store = SearchRepository(database)
    space = await spaces.ensure(database, model="bench", dimensions=SIZE)
    took = []
    for _ in range(wanted):
        begun = time.monotonic()
        await store.chunks(space=space.id, vector=vector(), words=vector_words(), scope=Scope(), limit=10)
        took.append((time.monotonic() - begun) * 1000)
    return percentile(took, 0.95)


def vector() -> array[float]:
    """A random unit vector."""
    raw = [random.gauss(0, 1) for _ in range(SIZE)]
    length = sum(part * part for part in raw) ** 0.5
    return array("f", (part / length for part in raw))


def vector_words() -> str:
    """Some words, so that keyword search has something to do."""
    return " ".join(random.choices(("gather", "lock", "socket", "queue", "event", "future", "stream"), k=40))


if __name__ == "__main__":
    sys.exit(main())
