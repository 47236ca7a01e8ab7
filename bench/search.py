"""Hybrid search at 20,000 chunks: latency without the query's embedding, and recall@10 of the vector part.

    python bench/search.py [--quick]

The texts are docstrings of Python's standard library. A part of the vectors is real, made by the embedding
server; the rest are real vectors with noise added (cosine to their origin about 0.8), their texts mixed from the
sentences of two docstrings. Questions are the first sentences of docstrings that are not in the store, mixed with
words of others. Recall is measured against an exact scan of the same vectors.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import pkgutil
import random
import sys
import time
import warnings
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import psycopg
from _measure import circumstances, percentile, spread
from _parts import active, database_url, model_servers

from src.cli.local_vllm.roles import EMBEDDINGS
from src.inference.embed import build_embedder
from src.inference.models import Embedder, Vector
from src.store.postgres import PostgresDatabase
from src.store.search import Scope, SearchRepository

SEED = 20_000
NOISE = 0.75
"""Length of the noise beside a unit vector: a cosine of about 0.8 to the origin."""
P95_LIMIT_MS = 50.0
RECALL_LIMIT = 0.95
SOURCES = 20


@dataclass(frozen=True)
class Size:
    """How much is measured; `real` of the `chunks` vectors come from the model."""

    chunks: int
    real: int
    questions: int


FULL = Size(chunks=20_000, real=1_500, questions=200)
QUICK = Size(chunks=4_000, real=300, questions=60)


@dataclass(frozen=True)
class Question:
    """What is asked, and its vector."""

    text: str
    vector: Vector


def main() -> int:
    """Measure and print; 0 when it ran."""
    size = QUICK if "--quick" in sys.argv else FULL
    with model_servers(EMBEDDINGS) as urls, database_url() as url:
        return asyncio.run(_measure(size, url, urls[EMBEDDINGS.name]))


async def _measure(size: Size, url: str, server: str) -> int:
    randomly = random.Random(SEED)
    texts = docstrings()
    randomly.shuffle(texts)
    held_out, real_texts = texts[: size.questions], texts[size.questions : size.questions + size.real]
    embedder = build_embedder(active(server, "embedding"))
    vectors = await embed(embedder, real_texts)
    asked = [f"{first_sentence(text)} {randomly.choice(texts).split()[0]}" for text in held_out]
    questions = [Question(*pair) for pair in zip(asked, await embed(embedder, asked), strict=True)]
    database = await PostgresDatabase.connect(url)
    try:
        space = await fill(url, database, embedder, real_texts, vectors, size.chunks)
        store = SearchRepository(database)
        hybrid = await latencies(store, space, questions, Scope())
        filtered = await latencies(store, space, questions, Scope(("bench-0",)))
        recall = await recall_at_10(store, space, questions, None)
        within = await recall_at_10(store, space, questions, [f"bench-{number}" for number in range(SOURCES // 2)])
    finally:
        await database.close()
    return report(Size(size.chunks, len(real_texts), len(questions)), hybrid, filtered, recall, within)


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


async def embed(embedder: Embedder, texts: Sequence[str]) -> list[Vector]:
    """The vectors of `texts`; a text that has none ends the bench."""
    vectors = []
    for outcome in await embedder.embed_passages(texts):
        if outcome.vector is None:
            raise outcome.error or SystemExit("a text got no vector")
        vectors.append(outcome.vector)
    return vectors


async def fill(
    url: str,
    database: PostgresDatabase,
    embedder: Embedder,
    texts: Sequence[str],
    vectors: Sequence[Vector],
    chunks: int,
) -> int:
    """Store `chunks` chunks, the first of them real; returns the space."""
    identity = await embedder.identity()
    row = await database.call(
        "archon_space_ensure",
        model=identity.model,
        dimensions=identity.dimensions,
        normalised=identity.normalised,
        query_prefix=identity.query_prefix,
        passage_prefix=identity.passage_prefix,
    )
    space = int(str(row[0]["id"]))
    started = time.perf_counter()
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await _copy_rows(connection, space, list(_rows(texts, vectors, chunks)))
    print(f"  stored {chunks:,} chunks with index in {time.perf_counter() - started:.1f} s", flush=True)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("vacuum analyze")
    return space


def _rows(texts: Sequence[str], vectors: Sequence[Vector], chunks: int) -> Iterator[tuple[str, str]]:
    """Text and vector (as pgvector writes it) of every chunk."""
    randomly = random.Random(SEED + 1)
    # Noise from a pool: a Gaussian for each number of 20,000 vectors would take longer than the bench.
    scale = NOISE / (len(vectors[0]) ** 0.5 * 2**0.5)
    pool = [array("f", (randomly.gauss(0, scale) for _ in vectors[0])) for _ in range(400)]
    for number in range(chunks):
        text, vector = texts[number % len(texts)], vectors[number % len(vectors)]
        if number >= len(texts):
            one, two = randomly.sample(pool, 2)
            vector = array("f", (value + a + b for value, a, b in zip(vector, one, two, strict=True)))
            half = text.split()
            text = " ".join([*half[: len(half) // 2], *randomly.choice(texts).split()])
        yield text, "[" + ",".join(f"{value:.6g}" for value in vector) + "]"


async def _copy_rows(connection: psycopg.AsyncConnection, space: int, rows: Sequence[tuple[str, str]]) -> None:
    await connection.execute(
        "insert into archon_sources (source_id, title) select 'bench-' || n, 'Bench' from generate_series(0, %s) n",
        (SOURCES - 1,),
    )
    async with connection.cursor() as cursor:
        target = "archon_crawled_pages (id, url, chunk_number, content, source_id, metadata)"
        async with cursor.copy(f"copy {target} from stdin") as copy:
            for number, (text, _) in enumerate(rows):
                metadata = json.dumps({"title": first_sentence(text)[:60]})
                await copy.write_row(
                    (number, f"https://x.test/{number}", 0, text, f"bench-{number % SOURCES}", metadata)
                )
        async with cursor.copy("copy archon_chunk_vectors (space_id, chunk_id, embedding) from stdin") as copy:
            for number, (_, vector) in enumerate(rows):
                await copy.write_row((space, number, vector))


async def latencies(store: SearchRepository, space: int, questions: Sequence[Question], scope: Scope) -> list[float]:
    """Milliseconds of each hybrid search for 10 chunks, one after the other, through the product's own pool."""
    spent = []
    for question in [*questions[:10], *questions]:
        began = time.perf_counter()
        await store.chunks(space=space, vector=question.vector, words=question.text, scope=scope, limit=10)
        spent.append((time.perf_counter() - began) * 1000)
    return spent[10:]


async def recall_at_10(
    store: SearchRepository, space: int, questions: Sequence[Question], source_ids: Sequence[str] | None
) -> float:
    """The share of the exact ten nearest that are among the ten nearest candidates of a search."""
    found = 0
    for question in questions:
        where = {"space": space, "vector": question.vector, "source_ids": source_ids}
        near = await store.nearest(depth=50, **where)
        exact = await store.nearest(depth=10, exact=True, **where)
        found += len(set(near[:10]) & set(exact))
    return found / (10 * len(questions))


def report(size: Size, hybrid: Sequence[float], filtered: Sequence[float], recall: float, within: float) -> int:
    """Print the figures. One past its limit is said, never a failure. `size` is what there really was."""
    p95 = percentile(hybrid, 0.95)
    print(f"  {size.chunks:,} chunks, {size.real:,} with real vectors, the rest real vectors plus noise")
    print(f"  hybrid search          {spread(hybrid, 'ms')}")
    print(f"  within 1 of {SOURCES} sources  {spread(filtered, 'ms')}")
    held = "held" if p95 <= P95_LIMIT_MS else "NOT HELD"
    print(f"  hybrid p95 over limit  {p95 / P95_LIMIT_MS:.2f} (limit {P95_LIMIT_MS:.0f} ms): {held}")
    print(f"  recall@10              {recall:.3f} (at least {RECALL_LIMIT}), within half of the sources {within:.3f}")
    print(f"  {circumstances()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
