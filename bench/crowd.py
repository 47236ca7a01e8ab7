"""What people feel while a crawl runs at full speed: the first token of an answer, and a search.

    python bench/crowd.py [--quick] [--only chat|search] [--pairs N]

chat    time to the first token of a question with retrieval, over HTTP, idle and during a crawl that embeds as fast as
        it can, alternating; both on the same pair of real vLLM servers (5 minutes)
search  a search in 100,000 chunks, the question's embedding excluded, idle and during a crawl whose passages a server
        of fixed cost embeds, 2,000 a second at most; both in one process, as in the product (3 minutes)

Every question is asked once, so that none finds its prompt in the model server's cache. A crawl that ends before the
questions do would make them easy: then nothing is claimed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import httpx
import uvloop
from _archon import Archon, archon
from _fixed_cost_server import fixed_cost_server
from _ingest_run import crawl_into
from _ingest_site import served, write_site
from _kept_vectors import KeptVectors
from _measure import PAIRS, circumstances, percentile, spread, verdict
from _parts import active, database_url, model_servers
from search import CACHE, SEED, Question, docstrings, fill, first_sentence, latencies

from src.cli.local_vllm.roles import CHAT, EMBEDDINGS
from src.inference.embed import build_embedder
from src.ingest.progress import FINAL
from src.store.postgres import PostgresDatabase
from src.store.search import Scope, SearchRepository

FIRST_TOKEN, SEARCH_P95_MS = 1.5, 20.0
ANSWER_TOKENS = 4
FULL_SPEED = 128
"""Passages that a crawl has embedded once it is taken to be at full speed."""


@dataclass(frozen=True)
class Sizes:
    """How much is done; `known` passages are there to be found, a crawl has `crawled`."""

    pairs: int
    asks: int
    known: int
    crawled: int
    stored: int
    searched: int
    searches: int


FULL = Sizes(pairs=PAIRS, asks=8, known=240, crawled=12_000, stored=100_000, searched=30_000, searches=200)
QUICK = Sizes(pairs=1, asks=2, known=24, crawled=6_000, stored=4_000, searched=480, searches=20)


def main() -> int:
    """Measure and print; 0 when it ran."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("chat", "search"))
    parser.add_argument("--pairs", type=int)
    chosen = parser.parse_args()
    sizes = QUICK if chosen.quick else FULL
    print(f"crowd: {circumstances()}")
    with model_servers(CHAT, EMBEDDINGS) as urls:
        if chosen.only in (None, "chat"):
            chat(urls[CHAT.name], urls[EMBEDDINGS.name], sizes, chosen.pairs or sizes.pairs)
        if chosen.only in (None, "search"):
            search(urls[EMBEDDINGS.name], sizes)
    print(f"  after: {circumstances()}")
    return 0


def chat(chat_url: str, embedding_url: str, sizes: Sizes, pairs: int) -> None:
    """First tokens, idle and during a crawl."""
    with (
        database_url() as database,
        archon(database, chat_url, embedding_url) as server,
        tempfile.TemporaryDirectory() as known,
        tempfile.TemporaryDirectory() as crawled,
    ):
        write_site(Path(known), sizes.known)
        write_site(Path(crawled), sizes.crawled)
        asyncio.run(_chats(server, Path(known), Path(crawled), sizes.asks, pairs))


async def _chats(server: Archon, known: Path, crawled: Path, asks: int, pairs: int) -> None:
    texts = docstrings()
    random.Random(SEED).shuffle(texts)
    questions = (first_sentence(text) for text in texts)
    ratios, idle, crowded, paces = [], [], [], []
    async with httpx.AsyncClient(base_url=server.url, timeout=600) as client, served(known) as site:
        crowd = Crowd(client)
        await crowd.reach(await crowd.begin(site))
        await _first_tokens(client, questions, 2)
        for number in range(pairs):
            alone = await _first_tokens(client, questions, asks) if number % 2 == 0 else []
            async with served(crawled) as large:
                job = await crowd.begin(large)
                await crowd.reach(job, FULL_SPEED)
                among, pace = await crowd.during(job, _first_tokens(client, questions, asks))
                await crowd.leave(job)
            alone = alone or await _first_tokens(client, questions, asks)
            ratios.append(percentile(among, 0.5) / percentile(alone, 0.5))
            idle += alone
            crowded += among
            paces.append(pace)
    print(f"  chat: first token idle     {spread(idle, 'ms')}")
    print(f"        during a crawl       {spread(crowded, 'ms')}; {percentile(paces, 0.5):.0f} passages/s meanwhile")
    print("    " + verdict("first token during a crawl over idle", ratios, FIRST_TOKEN, at_most=True))


async def _first_tokens(client: httpx.AsyncClient, questions: Iterator[str], count: int) -> list[float]:
    """Milliseconds to the first token of so many questions, one after the other."""
    return [await _first_token(client, next(questions)) for _ in range(count)]


async def _first_token(client: httpx.AsyncClient, question: str) -> float:
    body = {"message": question, "match_count": 3, "max_tokens": ANSWER_TOKENS}
    began, first = time.perf_counter(), None
    async with client.stream("POST", "/api/chat", json=body) as answer:
        async for line in answer.aiter_lines():
            if first is None and line in ("event: token", "event: done"):
                first = (time.perf_counter() - began) * 1000
    if first is None:
        raise SystemExit(f"the server answered {answer.status_code} without a token")
    return first


class Crowd:
    """Crawls of a running server, begun, watched and stopped over HTTP."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def begin(self, site: str) -> str:
        """The job of a new crawl. Raises SystemExit: it was refused."""
        body = {"url": site, "max_depth": 2, "max_pages": 100_000}
        asked = await self._client.post("/api/knowledge-items/crawl", json=body)
        if asked.is_error:
            raise SystemExit(f"the crawl was refused: {asked.text}")
        return str(asked.json()["progressId"])

    async def reach(self, job: str, embedded: int | None = None) -> dict[str, Any]:
        """The state of a crawl once so many passages are embedded; without a number, at its end.

        Raises:
            SystemExit: it ended before, or otherwise than well.
        """
        state: dict[str, Any] = {}
        async with self._client.stream("GET", f"/api/progress/{job}/events") as events:
            async for line in events.aiter_lines():
                state = json.loads(line[6:]) if line.startswith("data: {") else state
                if embedded is not None and state and _embedded(state) >= embedded:
                    return state
        if embedded is not None or state.get("status") != "completed":
            raise SystemExit(f"the crawl ended as {state.get('status')}: {state.get('message')}")
        return state

    async def during(self, job: str, work: Awaitable[list[float]]) -> tuple[list[float], float]:
        """What `work` measures, and the passages a second embedded meanwhile. Raises SystemExit: the crawl ended."""
        before, began = await self._now(job), time.perf_counter()
        measured = await work
        after, spent = await self._now(job), time.perf_counter() - began
        if after["status"] in FINAL:
            raise SystemExit(f"The crawl {after['status']} before the questions did: nothing is claimed.")
        return measured, (_embedded(after) - _embedded(before)) / spent

    async def leave(self, job: str) -> None:
        """Stop a crawl and take away what it stored."""
        await self._client.post(f"/api/knowledge-items/stop/{job}")
        async with self._client.stream("GET", f"/api/progress/{job}/events") as events:
            await events.aread()
        await self._client.delete(f"/api/knowledge-items/{(await self._now(job))['sourceId']}")

    async def _now(self, job: str) -> dict[str, Any]:
        return dict((await self._client.get(f"/api/progress/{job}")).json())


def _embedded(state: dict[str, Any]) -> int:
    return int(state["details"]["embeddingsCreated"])


def search(embedding_url: str, sizes: Sizes) -> None:
    """Searches, idle and during a crawl."""
    with (
        fixed_cost_server(request_ms=200, text_ms=25, at_once=64) as model,
        database_url() as database,
        tempfile.TemporaryDirectory() as folder,
    ):
        write_site(Path(folder), sizes.searched)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_searches(embedding_url, model, database, Path(folder), sizes))


async def _searches(embedding_url: str, model: str, url: str, folder: Path, sizes: Sizes) -> None:
    texts = docstrings()
    random.Random(SEED).shuffle(texts)
    asked, real = [first_sentence(text) for text in texts[: sizes.searches]], texts[sizes.searches :][:1_500]
    with KeptVectors(CACHE / "vectors.sqlite", build_embedder(active(embedding_url, "embedding"))) as kept:
        vectors = await kept.of(real[: sizes.stored // 10])
        questions = [Question(*pair) for pair in zip(asked, await kept.of_questions(asked), strict=True)]
    database = await PostgresDatabase.connect(url)
    try:
        # Vectors of a real model in the space of the server of fixed cost: both have 384 dimensions.
        embedder = build_embedder(active(model, "embedding"))
        space = await fill(url, database, embedder, real[: len(vectors)], vectors, sizes.stored)
        store = SearchRepository(database)
        idle = await latencies(store, space, questions, Scope())
        crawling, crowded = asyncio.create_task(crawl_into(folder, database, model, keep=False)), list[float]()
        while not crawling.done():
            crowded += await latencies(store, space, questions[:20], Scope())
        run = await crawling
    finally:
        await database.close()
    held = "held" if percentile(crowded, 0.95) <= SEARCH_P95_MS else "NOT HELD"
    print(f"  search in {sizes.stored:,} chunks: idle {spread(idle, 'ms')}")
    print(f"    during a crawl of {run.stored / run.seconds:.0f} passages/s {spread(crowded, 'ms')}")
    print(f"    p95 of at most {SEARCH_P95_MS:g} ms wanted: {held}")


if __name__ == "__main__":
    sys.exit(main())
