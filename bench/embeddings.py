"""`create_embeddings_batch` against a server of fixed cost, beside the best client one would write by hand.

    python bench/embeddings.py [--quick]

Both send 1,000 short texts in requests of 32 with the same number under way, in alternating order; the ratio of a
pair is by hand over ours (1.0: as fast; a median of at least 0.9 is wanted). Then ours alone with 100 to 10,000
texts: what a text costs must stay flat. In all, few texts cost more each: they fill no more than one round of
requests.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import openai
from _fixed_cost_server import MODEL, fixed_cost_server
from _measure import PAIRS, circumstances, percentile, spread, verdict
from _parts import chosen_servers, database_url

from src.inference.embed_batches import BatchLimits
from src.inference.pacing import pacing_for
from src.server.services.embeddings.embedding_service import create_embeddings_batch

REQUEST_MS, TEXT_MS = 30.0, 2.0
TEXTS = 1000
WANTED = 0.9


def main() -> int:
    """Measure and print; 0 when it ran."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    print(circumstances())
    print(f"the server takes {REQUEST_MS:g} ms a request and {TEXT_MS:g} ms a text")
    with fixed_cost_server(request_ms=REQUEST_MS, text_ms=TEXT_MS) as url, database_url() as database:
        return asyncio.run(_measured(url, database, quick))


async def _measured(url: str, database: str, quick: bool) -> int:
    async with chosen_servers(database, url), _by_hand(url) as by_hand:
        under_way = 0
        for _ in range(3):
            await _ours(_texts(TEXTS))
            under_way = max(under_way, pacing_for(f"{url}/v1").limit)
        ours: list[float] = []
        theirs: list[float] = []
        worked: list[float] = []
        for pair in range(PAIRS if quick else 21):
            ways = [(_ours, ours), (partial(by_hand, under_way), theirs)]
            for way, seconds in ways if pair % 2 else reversed(ways):
                before = time.process_time()
                seconds.append(await _timed(way, _texts(TEXTS)) * 1000)
                if way is _ours:
                    worked.append(time.process_time() - before)
            # Ours adapts; by hand always has the most that ours ever had.
            under_way = max(under_way, pacing_for(f"{url}/v1").limit)
        cpu = f"{percentile(worked, 0.5) / TEXTS * 1e6:.0f} µs of processor time a text"
        ratios = [hand / own for own, hand in zip(ours, theirs, strict=True)]
        print(f"{TEXTS:,} texts, {under_way} requests under way")
        print(f"ours     {spread(ours, 'ms')}")
        print(f"by hand  {spread(theirs, 'ms')}")
        print(verdict("ratio   ", ratios, WANTED, at_most=False, cpu=cpu))
        for count in (100, 1000, 3000) if quick else (100, 300, 1000, 3000, 10_000):
            await _print_cost(count)
    return 0


async def _print_cost(count: int) -> None:
    seconds: list[float] = []
    worked = time.process_time()
    for _ in range(3):
        seconds.append(await _timed(_ours, _texts(count)))
    work = (time.process_time() - worked) / 3
    wall = percentile(seconds, 0.5)
    print(
        f"{count:>6,} texts: {work / count * 1e6:.0f} µs of processor time a text, {wall / count * 1e6:.0f} µs in all"
    )


def _texts(count: int) -> list[str]:
    return [f"Short text number {number}, nothing more." for number in range(count)]


async def _timed(way: Callable[[Sequence[str]], Awaitable[int]], texts: Sequence[str]) -> float:
    started = time.perf_counter()
    assert await way(texts) == len(texts)
    return time.perf_counter() - started


async def _ours(texts: Sequence[str]) -> int:
    return len((await create_embeddings_batch(texts)).embeddings)


@asynccontextmanager
async def _by_hand(url: str) -> AsyncIterator[Callable[[int, Sequence[str]], Awaitable[int]]]:
    """The SDK, one client, requests of the same size, a semaphore; no checks, no retries, nothing learned."""
    size = BatchLimits().texts
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:

        async def embed(under_way: int, texts: Sequence[str]) -> int:
            places = asyncio.Semaphore(under_way)

            async def one(batch: Sequence[str]) -> list[list[float]]:
                async with places:
                    reply = await client.embeddings.create(model=MODEL, input=list(batch))
                return [row.embedding for row in reply.data]

            batches = [texts[start : start + size] for start in range(0, len(texts), size)]
            return sum(map(len, await asyncio.gather(*map(one, batches))))

        yield embed


if __name__ == "__main__":
    sys.exit(main())
