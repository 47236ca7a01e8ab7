"""Backup and restore: megabytes a second, and that memory stays flat.

    python bench/backup.py [--quick] [--chunks N]

A store with N chunks (100,000) of 384 dimensions is written into a file, the file is checked, and restored into an
empty store. Megabytes are those of the file. The indexes of the vectors are built afterwards and are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import psutil
import psycopg
from _measure import circumstances
from _parts import database_url
from _processor import own_s, postgres_s, postmaster_of

from src.cli import copies
from src.settings import SecretBox
from src.store import backup_file, copying, spaces
from src.store.database import Database
from src.store.postgres import PostgresDatabase

WANTED = 20
SIZE = 384


def main() -> int:
    """Measure and print; 1 only when rows were lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--chunks", type=int)
    chosen = parser.parse_args()
    chunks = chosen.chunks or (2_000 if chosen.quick else 100_000)
    folder = Path(tempfile.mkdtemp(prefix="archon-bench-"))
    try:
        print(f"backup: {circumstances()}")
        with database_url() as url:
            lost = asyncio.run(measure(url, folder / "backup", chunks))
        print(f"  after: {circumstances()}")
        return 1 if lost else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def measure(url: str, path: Path, chunks: int) -> bool:
    """Time each step; whether something is missing at the end."""
    box = SecretBox.from_text("a key for this bench alone")
    database = await PostgresDatabase.connect(url)
    try:
        await fill(database, url, chunks)
        before = await copying.counts(database)
        with Watch("backup", path, postmaster_of(url)) as watch:
            await copies.back_up(database, path, box, None, watch.look)
        with Watch("check", path, postmaster_of(url)) as watch:
            await asyncio.to_thread(backup_file.check, path)
        await copying.begin(database, replace=True)
        with Watch("restore", path, postmaster_of(url)) as watch:
            await copies.restore(database, path, box, replace=True, passphrase=None, say=watch.look)
        return await copying.counts(database) != before
    finally:
        await database.close()


async def fill(database: Database, url: str, chunks: int) -> None:
    """Pages of ten chunks with random vectors, made by the database itself."""
    space = await spaces.ensure(database, model="bench", dimensions=SIZE)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("insert into archon_sources (source_id, title) values ('bench', 'Bench')")
        await connection.execute(
            "insert into archon_page_metadata (source_id, url, url_key, full_content, word_count, char_count)"
            " select 'bench', 'https://bench/' || n, 'https://bench/' || n, repeat(md5(n::text) || ' ', 200), 200, 6600"
            " from generate_series(0, %s) n",
            (chunks // 10,),
        )
        await connection.execute(
            "insert into archon_crawled_pages (url, chunk_number, content, source_id, page_id)"
            " select p.url, n %% 10, repeat(md5(n::text) || ' ', 30), 'bench', p.id from generate_series(0, %s) n"
            " join archon_page_metadata p on p.url_key = 'https://bench/' || n / 10",
            (chunks - 1,),
        )
        parts = (
            "space_id, part, chunk_id, embedding" if await _in_parts(connection) else "space_id, chunk_id, embedding"
        )
        part = "s.fresh_part, " if "part," in parts else ""
        await connection.execute(
            f"insert into archon_chunk_vectors ({parts}) select s.id, {part}c.id, (select array_agg(random() - 0.5)"
            f" from generate_series(1, {SIZE}) g where g + c.id > 0)::vector from archon_crawled_pages c"
            " join archon_embedding_spaces s on s.id = %s",
            (space.id,),
        )


async def _in_parts(connection: psycopg.AsyncConnection) -> bool:
    row = await (await connection.execute("select to_regproc('archon_part_ensure') is not null")).fetchone()
    return bool(row and row[0])


@dataclass
class Watch:
    """Times a step, looks at the memory of this process meanwhile, and prints a line at its end."""

    what: str
    path: Path
    postmaster: int
    memory: list[float] = field(default_factory=list)
    begun: tuple[float, float] = (0.0, 0.0)

    def __enter__(self) -> Watch:
        self.begun = self.now()
        return self

    def __exit__(self, *_: object) -> None:
        seconds, used_s = (after - before for after, before in zip(self.now(), self.begun, strict=True))
        size = self.path.stat().st_size / 1e6
        self.look("")
        print(
            f"  {self.what:8}  {size:,.0f} MB in {seconds:.1f} s  {size / seconds:.0f} MB/s (at least {WANTED} wanted),"
            f" {size / used_s:.0f} MB a second of processor;"
            f" memory {self.memory[len(self.memory) // 4]:.0f} MB at a quarter, {self.memory[-1]:.0f} MB at the end"
        )

    def now(self) -> tuple[float, float]:
        """The clock, and the processor time of this process and of Postgres."""
        return time.monotonic(), own_s() + postgres_s(self.postmaster)

    def look(self, _line: str) -> None:
        """How much memory is held now."""
        self.memory.append(held_mb())


def held_mb() -> float:
    """Megabytes of this process."""
    return float(psutil.Process().memory_info().rss) / 1e6


if __name__ == "__main__":
    sys.exit(main())
