"""Throughput of real vLLM servers through the gateway, compared with straight, in alternating rounds."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path

import aiohttp
from _gateway_peers import KEY, Started, _gateway, wait_until_open

ROUNDS = 3
_CALLS = {1: 6, 16: 48, 64: 128}
"""How many calls make up a round, by how many are under way at a time."""
_GATEWAY = """
[[pools]]
name = "real"
upstreams = [{{ url = "{chat}" }}, {{ url = "{embedding}" }}]
[[keys]]
name = "bench"
key = "{key}"
"""


def through_real_vllm(folder: Path, port: int) -> None:
    """Print a table of ratios, line by line; say so where the servers are not named."""
    chat, embedding = os.environ.get("ARCHON_TEST_CHAT_URL"), os.environ.get("ARCHON_TEST_EMBEDDING_URL")
    if not chat or not embedding:
        print("real vLLM: set ARCHON_TEST_CHAT_URL and ARCHON_TEST_EMBEDDING_URL")
        return
    command = _gateway(folder, port, 1, folder)
    (folder / "gateway.toml").write_text(_GATEWAY.format(chat=chat, embedding=embedding, key=KEY))
    gateway = Started(command, folder, "gateway-real")
    try:
        wait_until_open(port, "/v1/chat/completions", 5)
        asyncio.run(_compare(f"http://127.0.0.1:{port}", chat, embedding))
    finally:
        gateway.stop()


async def _compare(through: str, chat: str, embedding: str) -> None:
    print("\n| real vLLM | at a time | straight req/s | through req/s | ratio |\n|---|---|---|---|---|", flush=True)
    kinds = {
        "embedding": (embedding, "/v1/embeddings", {"input": "The quick brown fox jumps over the lazy dog."}),
        "chat, 8 tokens": (
            chat,
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8, "ignore_eos": True},
        ),
    }
    for name, (straight, path, fields) in kinds.items():
        model = await _model(straight)
        for at_a_time, calls in _CALLS.items():
            pairs = []
            for _ in range(ROUNDS):
                one = await _rate(straight + path, fields | {"model": model}, at_a_time, calls)
                two = await _rate(through + path, fields | {"model": model}, at_a_time, calls)
                pairs.append((one, two))
            first, second = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
            ratio = statistics.median(two / one for one, two in pairs)
            print(f"| {name} | {at_a_time} | {first:.1f} | {second:.1f} | {ratio:.3f} |", flush=True)


async def _model(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/models") as answer:
        return str((await answer.json())["data"][0]["id"])


async def _rate(url: str, fields: dict[str, object], at_a_time: int, calls: int) -> float:
    slots = asyncio.Semaphore(at_a_time)
    headers = {"authorization": f"Bearer {KEY}"}
    connector = aiohttp.TCPConnector(limit=at_a_time, keepalive_timeout=4)

    async def one(session: aiohttp.ClientSession) -> None:
        async with slots, session.post(url, json=fields) as answer:
            await answer.read()
            answer.raise_for_status()

    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        await one(session)
        began = time.perf_counter()
        await asyncio.gather(*(one(session) for _ in range(calls)))
        return calls / (time.perf_counter() - began)
