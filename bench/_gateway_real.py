"""Throughput of real vLLM servers through the gateway, compared with straight, in alternating rounds."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import aiohttp
from _gateway_peers import KEY, Started, gateway_command, wait_until_healthy
from _measure import percentile, verdict

_BOUND = 0.97

EMBEDDINGS = {1: 100, 16: 400, 64: 800}
CHATS = {1: 16, 16: 64, 64: 128}
"""How many calls make up one side of a pair, by how many are under way at a time: seconds, or nothing is resolved."""
_GATEWAY = """
[[pools]]
name = "real"
upstreams = [{{ url = "{chat}" }}, {{ url = "{embedding}" }}]
[[keys]]
name = "bench"
key = "{key}"
"""


def through_real_vllm(folder: Path, port: int, rounds: int, shorter: int = 1) -> None:
    """Print each ratio with its quartiles as soon as it is known; say so where the servers are not named.

    `shorter`: a part of the calls only, to see that it runs.
    """
    chat, embedding = os.environ.get("ARCHON_TEST_CHAT_URL"), os.environ.get("ARCHON_TEST_EMBEDDING_URL")
    if not chat or not embedding:
        print("real vLLM: set ARCHON_TEST_CHAT_URL and ARCHON_TEST_EMBEDDING_URL")
        return
    command = gateway_command(folder, port, 1, folder)
    (folder / "gateway.toml").write_text(_GATEWAY.format(chat=chat, embedding=embedding, key=KEY))
    gateway = Started(command, folder, "gateway-real")
    try:
        wait_until_healthy(port, 30)
        asyncio.run(_compare(gateway, f"http://127.0.0.1:{port}", (chat, embedding), rounds, shorter))
    finally:
        gateway.stop()


async def _compare(gateway: Started, through: str, servers: tuple[str, str], rounds: int, shorter: int) -> None:
    chat, embedding = servers
    print("\nThrough real vLLM, requests a second to straight:", flush=True)
    text = "The quick brown fox jumps over the lazy dog."
    words = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8, "ignore_eos": True}
    kinds = {
        "embedding": (embedding, "/v1/embeddings", {"input": text}, EMBEDDINGS),
        "chat, 8 tokens": (chat, "/v1/chat/completions", words, CHATS),
    }
    for name, (straight, path, fields, sizes) in kinds.items():
        body = fields | {"model": await _model(straight)}
        for at_a_time, most in sizes.items():
            calls = max(at_a_time, most // shorter)
            ways = [(straight + path, body, at_a_time, calls), (through + path, body, at_a_time, calls)]
            for way in ways:
                await _rate(*way)  # warm-up
            print(await _ratio(f"{name}, {at_a_time} at a time", gateway, ways, rounds), flush=True)


async def _ratio(name: str, gateway: Started, ways: list[tuple[str, dict[str, object], int, int]], rounds: int) -> str:
    """Alternating pairs, the order reversed each time."""
    straight, through = [], []
    cpu_s = 0.0
    for number in range(rounds):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            before = gateway.cpu_s()
            rate = await _rate(*ways[side])
            (straight, through)[side].append(rate)
            cpu_s += (gateway.cpu_s() - before) * side
    calls = rounds * (ways[1][3] + 1)
    ratios = [two / one for one, two in zip(straight, through, strict=True)]
    cpu = f"{cpu_s / calls * 1e6:.0f} us of CPU a request in the gateway"
    rates = f"straight {percentile(straight, 0.5):.1f}, through {percentile(through, 0.5):.1f} req/s"
    return f"- {verdict(name, ratios, _BOUND, at_most=False, cpu=cpu)} ({rates})"


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
