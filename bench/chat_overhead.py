"""What `get_llm_client` adds to a chat call over the bare SDK with a client that is kept.

    python bench/chat_overhead.py [--quick]

The server answers at once, so both times are the client's own. Calls alternate; the median of the pairs' differences
is the overhead, made up of reading the settings, making the client over the shared connections and closing it. Below
1 ms is wanted. Beside the time on the clock stands the processor time, which a busy machine does not stretch.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import openai
from _fixed_cost_server import MODEL, fixed_cost_server
from _measure import circumstances, percentile, spread, verdict
from _parts import chosen_servers, database_url
from openai.types.chat import ChatCompletionUserMessageParam

from src.server.services.llm_provider_service import get_llm_client

WANTED_MS = 1.0
MESSAGES: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Hi"}]


def main() -> int:
    """Measure and print; 0 when it ran."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    print(circumstances())
    with fixed_cost_server() as url, database_url() as database:
        return asyncio.run(_measured(url, database, 200 if quick else 2000))


async def _measured(url: str, database: str, calls: int) -> int:
    async with (
        chosen_servers(database, url),
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as kept,
    ):

        async def bare() -> None:
            await kept.chat.completions.create(model=MODEL, messages=MESSAGES)

        async def ours() -> None:
            async with get_llm_client() as client:
                await client.chat.completions.create(model=MODEL, messages=MESSAGES)

        for _ in range(20):
            await bare()
            await ours()
        times: dict[str, list[float]] = {"bare": [], "ours": []}
        work: dict[str, list[float]] = {"bare": [], "ours": []}
        for call in range(calls):
            ways: list[tuple[str, Callable[[], Awaitable[None]]]] = [("bare", bare), ("ours", ours)]
            for name, way in ways if call % 2 else reversed(ways):
                started, worked = time.perf_counter(), time.process_time()
                await way()
                times[name].append((time.perf_counter() - started) * 1000)
                work[name].append((time.process_time() - worked) * 1000)
    added = [ours - bare for ours, bare in zip(times["ours"], times["bare"], strict=True)]
    worked_more = percentile(work["ours"], 0.5) - percentile(work["bare"], 0.5)
    print(f"ours      {spread(times['ours'], 'ms')}")
    print(f"bare SDK  {spread(times['bare'], 'ms')}")
    cpu = f"{worked_more:.2f} ms of processor time a call"
    print(verdict("overhead ", added, WANTED_MS, at_most=True, cpu=cpu, unit=" ms"))
    print(f"          {cpu}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
