"""Ingest over raw embedding: storing a site through the product, over embedding the same chunks straight.

    python bench/ingest.py [--quick] [--chunks N] [--pairs N]

A site made of pairs of the standard library's docstrings is served on loopback by a process of its own. Through the
product it is crawled, read, cut, embedded and stored with its index; straight, the very texts that the product
embedded go to the same vLLM in the batch size and concurrency that a short trial found best, and the vectors are
thrown away. Both are done in alternating order, each time into an empty database.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import aiohttp
from _measure import circumstances, percentile, spread
from _parts import active, database_url, model_servers
from search import docstrings

from src.cli.local_vllm.roles import EMBEDDINGS
from src.cli.ports import free_port
from src.inference.embed import build_embedder
from src.inference.models import Embedded, Embedder, EmbeddingIdentity, Vector
from src.ingest.fetch import FetchPolicy
from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.store.postgres import PostgresDatabase

LIMIT, AIM = 1.25, 1.10
PER_PAGE = 12
TRIAL = 256


def main() -> int:
    """Measure, print, and say by the exit code whether the limit was held; a quick run only has to store all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--chunks", type=int)
    parser.add_argument("--pairs", type=int)
    chosen = parser.parse_args()
    chunks = chosen.chunks or (100 if chosen.quick else 2000)
    pairs = chosen.pairs or (1 if chosen.quick else 3)
    with model_servers(EMBEDDINGS) as urls, tempfile.TemporaryDirectory() as folder:
        write_site(Path(folder), chunks)
        return measure(Path(folder), urls[EMBEDDINGS.name], pairs, quick=chosen.quick)


def measure(folder: Path, model_url: str, pairs: int, *, quick: bool) -> int:
    """Run the pairs and print the ratio."""
    print(f"ingest: {circumstances()}")
    texts = through_product(folder, model_url).texts
    way = asyncio.run(best_way(model_url, texts[: TRIAL if not quick else 64]))
    print(f"  {len(texts)} passages; straight: {way.batch} texts a request, {way.at_once} requests at once")
    ratios, straight_s, product_s = [], [], []
    for number in range(pairs):
        order = ("product", "straight") if number % 2 == 0 else ("straight", "product")
        seconds = {}
        for name in order:
            run = through_product(folder, model_url).seconds if name == "product" else None
            seconds[name] = run if run is not None else asyncio.run(straight(model_url, texts, way))
        ratios.append(seconds["product"] / seconds["straight"])
        straight_s.append(seconds["straight"])
        product_s.append(seconds["product"])
    print(f"  straight  {spread(straight_s, 's')}  {len(texts) / percentile(straight_s, 0.5):.0f} passages/s")
    print(f"  product   {spread(product_s, 's')}  {len(texts) / percentile(product_s, 0.5):.0f} passages/s")
    ratio = percentile(ratios, 0.5)
    print(f"  ratio     {spread(ratios, '')}  limit {LIMIT}, aim {AIM}: {'held' if ratio <= LIMIT else 'NOT HELD'}")
    print(f"  after: {circumstances()}")
    return 0 if quick or ratio <= LIMIT else 1


def write_site(folder: Path, chunks: int) -> None:
    """Pages of a dozen sections, about a chunk each, and a start page that links to all."""
    known = docstrings()
    texts = [f"{known[at % len(known)]}\n{known[(31 * at + 7) % len(known)]}" for at in range(chunks)]
    names = []
    for number, start in enumerate(range(0, len(texts), PER_PAGE)):
        parts = "".join(
            f"<h2>Entry {start + at}</h2><p>{html.escape(text)}</p>"
            for at, text in enumerate(texts[start : start + PER_PAGE])
        )
        names.append(f"page{number}.html")
        (folder / names[-1]).write_text(f"<title>Page {number}</title><main><h1>Page {number}</h1>{parts}</main>")
    links = "".join(f'<a href="{name}">{name}</a> ' for name in names)
    (folder / "index.html").write_text(f"<title>All</title><main><h1>All pages</h1><p>{links}</p></main>")


@dataclass(frozen=True)
class Run:
    """A crawl through the product: wall time, and the texts that were embedded."""

    seconds: float
    texts: list[str]


def through_product(folder: Path, model_url: str) -> Run:
    """Crawl the site into an empty database."""
    with database_url() as url:
        return asyncio.run(_crawl(folder, url, model_url))


async def _crawl(folder: Path, database: str, model_url: str) -> Run:
    connected = await PostgresDatabase.connect(database)
    watched = Watched(build_embedder(active(model_url, "embedding")))

    async def factory() -> Embedder:
        return watched

    service = IngestService(connected, factory, FetchPolicy(allow_private=True))
    try:
        async with served(folder) as site:
            await service.resume_interrupted()
            begun = time.perf_counter()
            job = await service.start_crawl(CrawlRequest(site, max_depth=2, max_pages=100_000))
            *_, last = [progress async for progress in service.watch(job)]
            seconds = time.perf_counter() - begun
    finally:
        await service.close()
        await connected.close()
    if last.status != "completed" or last.tally.failures:
        raise SystemExit(f"The crawl ended as {last.status}: {last.message} {last.tally.failures[:3]}")
    return Run(seconds, watched.texts[-last.tally.chunks_stored :])


class Watched:
    """An embedder that keeps what it was asked to embed."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self.texts: list[str] = []

    @property
    def model(self) -> str:
        """As the inner one."""
        return self._inner.model

    @property
    def provider(self) -> str:
        """As the inner one."""
        return self._inner.provider

    async def identity(self) -> EmbeddingIdentity:
        """As the inner one."""
        return await self._inner.identity()

    async def max_tokens(self) -> int | None:
        """As the inner one."""
        return await self._inner.max_tokens()

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As the inner one."""
        return await self._inner.count_tokens(texts)

    async def embed_passages(self, texts: Sequence[str]) -> list[Embedded]:
        """As the inner one, and the texts are kept."""
        self.texts.extend(texts)
        return await self._inner.embed_passages(texts)

    async def embed_query(self, text: str) -> Vector:
        """As the inner one."""
        return await self._inner.embed_query(text)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """The folder as a site, from a process of its own; its address."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield f"http://127.0.0.1:{port}/index.html"
    finally:
        process.kill()
        await process.wait()


@dataclass(frozen=True)
class Way:
    """How texts are sent straight."""

    batch: int
    at_once: int


async def best_way(model_url: str, texts: Sequence[str]) -> Way:
    """The fastest of a few ways over a sample, the better of two tries each."""
    ways = [Way(batch, at_once) for batch, at_once in product((32, 64), (2, 4, 8))]
    await straight(model_url, texts, ways[0])
    seconds = {way: min([await straight(model_url, texts, way) for _ in range(2)]) for way in ways}
    return min(ways, key=lambda way: seconds[way])


async def straight(model_url: str, texts: Sequence[str], way: Way) -> float:
    """Seconds to embed `texts` with nothing around it."""
    batches = [list(texts[start : start + way.batch]) for start in range(0, len(texts), way.batch)]
    slots = asyncio.Semaphore(way.at_once)
    async with aiohttp.ClientSession() as session:

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


if __name__ == "__main__":
    sys.exit(main())
