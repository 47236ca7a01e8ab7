"""Hybrid search at 4,000, 20,000 and 100,000 chunks: latency without the query's embedding, and recall@10.

    python bench/search.py [--quick] [--chunks N]        (BIG=1: 1,000,000 chunks too)

The texts are docstrings of Python's standard library. A part of the vectors is real, made by the embedding
server; the rest are real vectors with noise added (cosine to their origin about 0.8), their texts mixed from the
words of two docstrings. Questions are the first sentences of docstrings that are not in the store, mixed with
words of others. Recall is that of the vector candidates against an exact scan of the same vectors, over all chunks,
within a filter that keeps one chunk in a hundred, and within one that keeps one in four.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import os
import pkgutil
import random
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import psutil
import psycopg
from _kept_vectors import KeptVectors
from _measure import REPOSITORY, circumstances, percentile, spread
from _parts import active, database_url, model_servers
from _shelf import settled, space_of, without_index

from src.cli.local_vllm.roles import EMBEDDINGS
from src.inference.embed import build_embedder
from src.inference.models import Embedder, Vector
from src.store.postgres import PostgresDatabase
from src.store.search import Scope, SearchRepository

SEED = 20_000
NOISE = 0.75
"""Length of the noise beside a unit vector: a cosine of about 0.8 to the origin."""
NOISES = 400
SIZES = (4_000, 20_000, 100_000)
QUICK_SIZE, BIG_SIZE = 4_000, 1_000_000
P95_LIMIT_MS = {4_000: 20.0, 20_000: 20.0, 100_000: 20.0, 1_000_000: 60.0}
RECALL_LIMIT = 0.97
WARM_UP = 10
SOURCES = 100
CACHE = REPOSITORY / ".archon" / "bench"
FILTERS = {"all": None, "1 %": ("bench-0",), "25 %": tuple(f"bench-{number}" for number in range(1, 26))}


@dataclass(frozen=True)
class Size:
    """How much is measured; `real` of the `chunks` vectors come from the model."""

    chunks: int
    real: int = 1_500
    questions: int = 200


@dataclass(frozen=True)
class Question:
    """What is asked, and its vector."""

    text: str
    vector: Vector


@dataclass(frozen=True)
class Place:
    """Where is searched: the database, the space, and how many chunks it has."""

    url: str
    space: int
    chunks: int


def main() -> int:
    """Measure and print; 0 whatever the figures are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--chunks", type=int, help="only this size")
    chosen = parser.parse_args()
    sizes = [Size(chunks) for chunks in (*SIZES, *([BIG_SIZE] if os.environ.get("BIG") == "1" else []))]
    if chosen.quick:
        sizes = [Size(QUICK_SIZE, real=200, questions=40)]
    elif chosen.chunks:
        sizes = [Size(chosen.chunks)]
    with model_servers(EMBEDDINGS) as urls:
        for size in sizes:
            with database_url() as url:
                asyncio.run(_measure(size, url, urls[EMBEDDINGS.name]))
    return 0


async def _measure(size: Size, url: str, server: str) -> None:
    randomly = random.Random(SEED)
    texts = docstrings()
    randomly.shuffle(texts)
    held_out, real_texts = texts[: size.questions], texts[size.questions : size.questions + size.real]
    asked = [f"{first_sentence(text)} {randomly.choice(texts).split()[0]}" for text in held_out]
    embedder = build_embedder(active(server, "embedding"))
    with KeptVectors(CACHE / "vectors.sqlite", embedder) as kept:
        vectors = await kept.of(real_texts)
        questions = [Question(*pair) for pair in zip(asked, await kept.of_questions(asked), strict=True)]
    database = await PostgresDatabase.connect(url)
    try:
        space = await fill(url, database, embedder, real_texts, vectors, size.chunks)
        print(f"  {size.chunks:,} chunks, {len(real_texts):,} with real vectors, the rest real vectors plus noise")
        for name, sources in FILTERS.items():
            await _within(name, sources, SearchRepository(database), Place(url, space, size.chunks), questions)
    finally:
        await database.close()
    print(f"  {circumstances()}")


async def _within(
    name: str,
    sources: tuple[str, ...] | None,
    store: SearchRepository,
    place: Place,
    questions: Sequence[Question],
) -> None:
    """Measure and print one filter. A figure past its limit is said, never a failure."""
    before = processor_s(place.url)
    spent = await latencies(store, place.space, questions, Scope(sources or ()))
    worked_ms = (processor_s(place.url) - before) / (WARM_UP + len(questions)) * 1000
    recall = await recall_at_10(store, place.space, questions, sources)
    p95, limit = percentile(spent, 0.95), P95_LIMIT_MS.get(place.chunks)
    held = "" if limit is None or sources else f", limit {limit:.0f} ms: {'held' if p95 <= limit else 'NOT HELD'}"
    good = "held" if recall >= RECALL_LIMIT else "NOT HELD"
    print(f"  {name:5} hybrid search {spread(spent, 'ms')}{held}; the database's processor time {worked_ms:.1f} ms")
    print(f"  {name:5} recall@10 {recall:.3f}, at least {RECALL_LIMIT}: {good}", flush=True)


def docstrings() -> list[str]:
    """Docstrings of the standard library of 120 to 500 characters, each once, in a fixed order."""
    found: dict[str, None] = {}
    for module in sorted(pkgutil.iter_modules(), key=lambda entry: entry.name):
        if module.name in sys.stdlib_module_names and not module.name.startswith(("_", "this", "antigravity", "idle")):
            found.update(dict.fromkeys(_docstrings_of(module.name)))
    return list(found)


def _docstrings_of(name: str) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = importlib.import_module(name)
        except ImportError:  # a part of the library that this build of Python lacks
            return
    for _, thing in sorted(vars(module).items()):
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        for member in (thing, *(vars(thing).values() if inspect.isclass(thing) else ())):
            text = inspect.getdoc(member) if callable(member) else None
            if text and 120 <= len(text) <= 500:
                yield text


def first_sentence(text: str) -> str:
    """Up to the first full stop, on one line."""
    return " ".join(text.split(". ")[0].split())[:200]


async def fill(
    url: str,
    database: PostgresDatabase,
    embedder: Embedder,
    texts: Sequence[str],
    vectors: Sequence[Vector],
    chunks: int,
) -> int:
    """Store `chunks` chunks, the first of them real, ten to a page; returns the space."""
    space = await space_of(database, embedder)
    started = time.perf_counter()
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await _originals(connection, texts, vectors)
        await connection.execute(
            "insert into archon_sources (source_id, title) select 'bench-' || n, 'Bench' from generate_series(0, %s) n",
            (SOURCES - 1,),
        )
        await connection.execute(_PAGES, {"chunks": chunks, "sources": SOURCES})
        await connection.execute(_CHUNKS, {"chunks": chunks, "sources": SOURCES, "real": len(texts)})
        await without_index(connection, space)
        capacity = await _part_capacity(connection, len(vectors[0]))
        for part in range(-(-chunks // capacity)):
            await connection.execute("select archon_part_ensure(%s, %s)", (space, part))
            bounds = {"first": part * capacity, "last": min((part + 1) * capacity, chunks) - 1}
            counts = {"real": len(texts), "noises": NOISES, "space": space, "part": part}
            await connection.execute(_VECTORS, bounds | counts)
            await connection.execute("select archon_part_index(%s, %s)", (space, part))
        await connection.execute("select setval(pg_get_serial_sequence('archon_crawled_pages', 'id'), %s)", (chunks,))
    await settled(url)
    print(f"  stored {chunks:,} chunks with index in {time.perf_counter() - started:.1f} s", flush=True)
    return space


async def _part_capacity(connection: psycopg.AsyncConnection, dimensions: int) -> int:
    """Vectors that the product puts into one part, with an index of its own."""
    row = await (await connection.execute("select archon_part_capacity(%s)", (dimensions,))).fetchone()
    return int(row[0]) if row else 0


async def _originals(connection: psycopg.AsyncConnection, texts: Sequence[str], vectors: Sequence[Vector]) -> None:
    """What all rows are made of: real texts and vectors, and a pool of noise."""
    randomly = random.Random(SEED + 1)
    # Two of the pool are added, so each is shorter by the root of two.
    scale = NOISE / (len(vectors[0]) ** 0.5 * 2**0.5)
    await connection.execute("create temporary table original (n int primary key, words text[], embedding vector)")
    await connection.execute("create temporary table noise (n int primary key, embedding vector)")
    async with connection.cursor() as cursor:
        async with cursor.copy("copy original from stdin") as copy:
            for number, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
                await copy.write_row((number, text.split(), _written(vector)))
        async with cursor.copy("copy noise from stdin") as copy:
            for number in range(NOISES):
                await copy.write_row((number, _written([randomly.gauss(0, scale) for _ in vectors[0]])))


def _written(vector: Sequence[float]) -> str:
    return "[" + ",".join(f"{value:.6g}" for value in vector) + "]"


# Sources are a hundredth each and spread evenly: the harder case for reading what a filter leaves.
_PAGES = """
insert into archon_page_metadata
  (id, source_id, url, full_content, word_count, char_count, chunk_count, title, language)
select md5('page' || n)::uuid, 'bench-' || n %% %(sources)s, 'https://x.test/' || n, '', 0, 0, 10, 'Page ' || n, 'en'
from generate_series(0, %(chunks)s / 10) n
"""
_CHUNKS = """
insert into archon_crawled_pages (id, url, chunk_number, content, source_id, page_id, metadata)
select g.i, 'https://x.test/' || g.i / 10, g.i %% 10,
  case when g.i < %(real)s then array_to_string(a.words, ' ')
  else array_to_string(a.words[: cardinality(a.words) / 2], ' ') || ' ' || array_to_string(b.words, ' ') end,
  'bench-' || g.i / 10 %% %(sources)s, md5('page' || g.i / 10)::uuid,
  jsonb_build_object('title', array_to_string(a.words[:6], ' '))
from generate_series(0, %(chunks)s - 1) g (i)
join original a on a.n = g.i %% %(real)s
join original b on b.n = (g.i * 7919::bigint + g.i / %(real)s) %% %(real)s
"""
_VECTORS = """
insert into archon_chunk_vectors (space_id, part, chunk_id, embedding)
select %(space)s, %(part)s, g.i,
  case when g.i < %(real)s then o.embedding else o.embedding + a.embedding + b.embedding end
from generate_series(%(first)s::bigint, %(last)s) g (i)
join original o on o.n = g.i %% %(real)s
join noise a on a.n = (g.i * 6151 + g.i / %(real)s) %% %(noises)s
join noise b on b.n = (g.i * 12289 + g.i / %(real)s / %(noises)s + 1 + g.i / 7) %% %(noises)s
"""


def processor_s(url: str) -> float:
    """Seconds of processor time that the database's processes have used. On a busy machine the clock tells less."""
    with psycopg.connect(url) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
        times = [process.cpu_times() for process in server.children()] if server else []
    return sum(time.user + time.system for time in times)


async def latencies(store: SearchRepository, space: int, questions: Sequence[Question], scope: Scope) -> list[float]:
    """Milliseconds of each hybrid search for 10 chunks, one after the other, through the product's own pool."""
    spent = []
    for question in [*questions[:WARM_UP], *questions]:
        began = time.perf_counter()
        await store.chunks(space=space, vector=question.vector, words=question.text, scope=scope, limit=10)
        spent.append((time.perf_counter() - began) * 1000)
    return spent[WARM_UP:]


async def recall_at_10(
    store: SearchRepository, space: int, questions: Sequence[Question], source_ids: Sequence[str] | None
) -> float:
    """The share of the exact ten nearest that are among the ten nearest candidates of a search."""
    found = 0
    for question in questions:
        near = await store.nearest(space=space, vector=question.vector, source_ids=source_ids, depth=50)
        exact = await store.nearest(space=space, vector=question.vector, source_ids=source_ids, depth=10, exact=True)
        found += len(set(near[:10]) & set(exact))
    return found / (10 * len(questions))


if __name__ == "__main__":
    sys.exit(main())
