"""Supabase's adapter over the embedded one: storing pages, and searching.

    python bench/stores.py [--quick] [--pairs N]

Both stores are the same Postgres, once through psycopg and once through a Supabase-compatible server without Docker on
this machine, in alternating order. Ingest is a crawl through the product with a model server of fixed cost. The server
in front is no Supabase: it sets a dozen variables in as many round trips for every call. Shown beside, without a bound:
storing, which is the writing alone, the time of an empty call, and whose processor time a chunk takes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from array import array
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from _fixed_cost_server import fixed_cost_server
from _ingest_run import crawl_into
from _ingest_site import write_site
from _measure import circumstances, percentile, spread, verdict
from _parts import database_url
from _processor import node_s, own_s, postgres_s, postmaster_of

from src.store import jobs, pages, sources, spaces
from src.store.database import Database
from src.store.migrate import migrate
from src.store.place import MIGRATIONS, StorePlace
from src.store.search import Scope, SearchRepository
from tests.fixtures.database import with_database
from tests.fixtures.supabase import LIVE, prepare, serving

SIZE, CHUNKS, AT_ONCE = 384, 12, 16
REQUEST_MS, TEXT_MS = 50.0, 1.0
"""What the model server takes for a request and for each text in it, eight requests at a time."""
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
        sizes = Sizes(*((4, 60) if chosen.quick else (60, 600)), postmaster_of(url))
        live = prepare(url, LIVE)
        asyncio.run(migrate(live, MIGRATIONS))
        write_site(Path(folder), sizes.texts)
        with serving(url) as server, fixed_cost_server(request_ms=REQUEST_MS, text_ms=TEXT_MS, at_once=8) as model:
            direct = StorePlace("embedded", Path(folder), with_database(url, "postgres"))
            faced = StorePlace("supabase", Path(folder), server.url, server.key)
            asyncio.run(measure((direct, faced), Path(folder), model, pairs, sizes))
    print(f"  after: {circumstances()}")
    return 0


@dataclass(frozen=True)
class Sizes:
    """How much is stored in one round: pages straight, and texts through a crawl."""

    pages: int
    texts: int
    postmaster: int


@dataclass
class Figures:
    """What one store showed, round by round; `cpu` is microseconds a chunk by whose they are."""

    ingest: list[float] = field(default_factory=list)
    storing: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)


async def measure(places: tuple[StorePlace, StorePlace], site: Path, model: str, pairs: int, sizes: Sizes) -> None:
    """Alternate between both and print rates, latencies and their verdicts."""
    direct, faced = Figures(), Figures()
    async with places[0].opened() as first, places[1].opened() as second:
        both = [(direct, first), (faced, second)]
        for _, database in both:  # the warm-up of both
            await crawl_into(site, database, model, keep=False)  # first: the space of its model is to be the active one
            await store_pages(database, made(2), "warm")
            await sources.delete(database, "warm")
        for number in range(pairs):
            for figures, database in both if number % 2 == 0 else reversed(both):
                await one_round(figures, database, site, model, sizes, number)
    for place, figures in zip(places, (direct, faced), strict=True):
        print(f"  {place.kind:9} ingest    {spread(figures.ingest, 'chunks/s')}")
        print(f"  {place.kind:9} storing   {spread(figures.storing, 'chunks/s')}")
        for whose in figures.cpu[0]:
            used = spread([one[whose] for one in figures.cpu], "us of processor a chunk")
            print(f"  {place.kind:9}   {whose:9} {used}")
        print(f"  {place.kind:9} searching {spread(figures.late, 'ms (p95 of each round)')}")
        print(f"  {place.kind:9}   empty    {spread(figures.empty, 'ms (p95 of a call that does nothing)')}")
    ingest = ratios(faced.ingest, direct.ingest)
    print("  " + verdict("ingest through Supabase over ingest directly", ingest, SLOWEST, at_most=False))
    print(f"  storing alone, through Supabase over directly: {spread(ratios(faced.storing, direct.storing), '')}")
    behind = [slow - quick for slow, quick in zip(faced.late, direct.late, strict=True)]
    print("  " + verdict("search p95 through Supabase minus directly", behind, LATER_MS, at_most=True, unit=" ms"))


def ratios(slow: list[float], quick: list[float]) -> list[float]:
    """Of both, round by round."""
    return [one / other for one, other in zip(slow, quick, strict=True)]


async def one_round(figures: Figures, database: Database, site: Path, model: str, sizes: Sizes, number: int) -> None:
    """Ingest, store and search once."""
    run = await crawl_into(site, database, model)
    figures.ingest.append(len(run.texts) / run.seconds)
    pages_made, before = made(sizes.pages), processor_s(sizes.postmaster)
    figures.storing.append(await store_pages(database, pages_made, f"round{number}"))
    used = {name: after - before[name] for name, after in processor_s(sizes.postmaster).items()}
    figures.cpu.append({name: 1e6 * seconds / (sizes.pages * CHUNKS) for name, seconds in used.items()})
    figures.late.append(await search_p95_ms(database, 5 * sizes.pages))
    figures.empty.append(await empty_p95_ms(database, 5 * sizes.pages))
    await sources.delete(database, f"round{number}")  # else the product embeds it anew, beside the next crawl


def processor_s(postmaster: int) -> dict[str, float]:
    """Seconds of processor time so far: of this process, of the server in front and of Postgres."""
    return {"adapter": own_s(), "in front": node_s(), "database": postgres_s(postmaster)}


Page = tuple[pages.NewPage, list[pages.NewChunk]]


def made(wanted: int) -> list[Page]:
    """Pages with their chunks and vectors, before the clock starts."""
    return [
        (
            pages.NewPage("", "", "T", "word " * 400, f"{number}", "en", 400, None, number, {}),
            [pages.NewChunk(f"{vector_words()} {n}", (), 90, None, {}, vector()) for n in range(CHUNKS)],
        )
        for number in range(wanted)
    ]


async def store_pages(database: Database, wanted: list[Page], source_id: str) -> float:
    """Chunks a second, a few pages at once."""
    await sources.ensure(database, source_id=source_id, url="https://b/", display_name="b", title="b", metadata={})
    job = await jobs.create(database, kind="crawl", source_id=source_id, request={}, progress={})
    await jobs.claim(database, source_id, lease_s=3600)
    space = await spaces.ensure(database, model="bench", dimensions=SIZE)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(page: pages.NewPage, chunks: list[pages.NewChunk]) -> None:
        key = f"https://b/{source_id}/{page.section_order}"
        async with room:
            place = pages.WorkPlace(job.id, source_id, source_id, key)
            await pages.save(database, place, replace(page, url=key, url_key=key), chunks, space_id=space.id)

    begun = time.monotonic()
    await asyncio.gather(*(one(page, chunks) for page, chunks in wanted))
    rate = len(wanted) * CHUNKS / (time.monotonic() - begun)
    await jobs.finish(database, job.id, source_id, state="completed", progress={}, result={}, error=None)
    return rate


async def empty_p95_ms(database: Database, wanted: int) -> float:
    """95th percentile of `wanted` calls that do nothing, in milliseconds."""
    took = []
    for _ in range(wanted):
        begun = time.monotonic()
        await database.call("archon_store_state")
        took.append((time.monotonic() - begun) * 1000)
    return percentile(took, 0.95)


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
