"""Taking over a database of Archon v1: rows and vectors a second, memory, and the indexes apart.

    python bench/upgrade.py [--quick] [--chunks N]

A database of v1's last level is made with N chunks (200,000) of 1,536 dimensions and its own indexes. Then what
`archon migrate` does is timed in its three parts: the schema (which writes the table of chunks anew once), the vectors
into their space, the indexes. Memory is what this process and Postgres hold for themselves, without shared buffers.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import psutil
import psycopg
from _measure import circumstances

from src.cli.takeover import build_indexes, take_over
from src.config import load_environment
from src.store import indexes
from src.store.embedded import EmbeddedPostgres
from src.store.place import StorePlace
from tests.fixtures import v1_database

WANTED = 5_000
SIZE = 1_536
_CHUNKS = """
  insert into archon_crawled_pages (url, chunk_number, content, source_id, embedding_model, embedding_1536)
  select 'https://v1.test/' || g / 20, g %% 20,
    (select string_agg(w, ' ') from unnest(string_to_array(%s, ' ')) with ordinality t (w, o), generate_series(1, 6) s
     where (g * o * s) %% 3 = 0) || ' passage ' || g,
    'v1source', 'text-embedding-3-small', l2_normalize(a.v + b.v)
  from generate_series(1, %s) g join base a on a.n = g %% 997 join base b on b.n = g * 7 %% 991
"""
_WORDS = "gather coroutine lock socket queue event future signal stream thread buffer parse token frame vector index"


def main() -> int:
    """Measure and print; 1 only when something was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--chunks", type=int)
    chosen = parser.parse_args()
    chunks = chosen.chunks or (2_000 if chosen.quick else 200_000)
    folder = Path(tempfile.mkdtemp(prefix="archon-bench-"))
    folder.chmod(0o711)
    cluster = EmbeddedPostgres(folder / "postgres")
    try:
        url = cluster.start()
        print(f"upgrade: {circumstances()}")
        begun = time.monotonic()
        fill(url, chunks)
        print(f"  a database of Archon v1 with {chunks:,} chunks of {SIZE}: made in {time.monotonic() - begun:.0f} s")
        lost = asyncio.run(measure(StorePlace("postgres", folder, url), folder, chunks))
        print(f"  after: {circumstances()}")
        return 1 if lost else 0
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def fill(url: str, chunks: int) -> None:
    """v1's tables with `chunks` chunks; each vector is the sum of two of a thousand random ones."""
    v1_database.build(url)
    v1_database.fill(url, [v1_database.V1Chunk("https://v1.test/first", 0, "first", None)])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "create temp table base as select n, (select array_agg(random() - 0.5)"
            f" from generate_series(1, {SIZE}) s where s + n > 0)::vector as v from generate_series(0, 999) n"
        )
        connection.execute(_CHUNKS, (_WORDS, chunks))


async def measure(place: StorePlace, folder: Path, chunks: int) -> int:
    """Time the three parts; how many vectors were lost."""
    environment = load_environment({"ARCHON_DATA_DIR": str(folder), "SUPABASE_SERVICE_KEY": v1_database.SERVICE_KEY})
    begun = time.monotonic()
    await place.bring_up_to_date()
    schema_s = time.monotonic() - begun
    memory: list[float] = []
    say(f"schema    {schema_s:.1f} s  (the table of chunks is written anew)")
    postmaster = int((folder / "postgres" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
    async with place.opened() as database:
        begun = time.monotonic()
        done = await take_over(database, environment, lambda _line: memory.append(held_mb(postmaster)))
        vectors_s = time.monotonic() - begun
        vectors = done.vectors if done else 0
        say(f"vectors   {vectors_s:.1f} s  {vectors / vectors_s:,.0f} chunks/s (at least {WANTED:,} wanted)")
        say(f"together  {vectors / (vectors_s + schema_s):,.0f} chunks/s, schema and vectors")
        quarter = memory[len(memory) // 4]
        say(f"memory    {quarter:.0f} MB at a quarter, {memory[-1]:.0f} MB at the end, {max(memory):.0f} MB at most")
        waiting = await indexes.put_off(database)
        say(f"indexes   {waiting.ours} of ours and {waiting.of_v1} of v1's wait: the server builds them, aside")
        begun = time.monotonic()
        built = await build_indexes(database, lambda _line: None)
        say(f"          {time.monotonic() - begun:.1f} s for {built} here; searches are exact meanwhile")
    return chunks - vectors


def say(line: str) -> None:
    """Print at once: the indexes of a large run take their time."""
    print(f"  {line}", flush=True)


def held_mb(postmaster: int) -> float:
    """Megabytes that this process and the bench's Postgres hold for themselves."""
    server = psutil.Process(postmaster)
    return sum(_own_mb(process) for process in [psutil.Process(), server, *server.children()])


def _own_mb(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().uss) / 1e6
    except psutil.Error:
        return 0.0


if __name__ == "__main__":
    sys.exit(main())
