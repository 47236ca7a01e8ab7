"""Does the gateway's memory stay flat: over 100,000 requests, and over 64 long streams, one of which nobody reads."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from _gateway_peers import KEY, Started, gateway_command, wait_until_open

PATH = "/v1/chat/completions"
BENCH = Path(__file__).resolve().parent
REQUESTS = 100_000
STREAMS = 64
STREAM_S = 60.0


def endure(folder: Path, port: int, upstream: int) -> str:
    """Both measurements, as lines."""
    gateway = Started(gateway_command(folder, port, upstream, folder), folder, "gateway-endurance")
    try:
        wait_until_open(port, PATH, 30)
        _many(port, 10_000)
        before = gateway.memory_mb()
        _many(port, REQUESTS)
        after = gateway.memory_mb()
        streams, peak = asyncio.run(_streams(gateway, port))
        return (
            f"memory: {before:.1f} MB after 10,000 requests, {after:.1f} MB after {REQUESTS:,} more "
            f"({(after / before - 1) * 100:+.1f} %)\n"
            f"{STREAMS} streams of {STREAM_S:.0f} s, one never read: {streams} whole, longest silence within one "
            f"{_longest(streams)}, memory at most {peak:.1f} MB"
        )
    finally:
        gateway.stop()


_silences: list[float] = []


def _longest(streams: int) -> str:
    return f"{max(_silences, default=float('nan')):.2f} s" if streams else "unknown"


def _many(port: int, requests: int) -> None:
    sent = 0
    while sent < requests:
        command = [sys.executable, str(BENCH / "_gateway_load.py"), str(port), PATH, "32", "5", "json", KEY]
        sent += int(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["requests"])


async def _streams(gateway: Started, port: int) -> tuple[int, float]:
    tasks = [asyncio.create_task(_stream(port, reads=number > 0)) for number in range(STREAMS)]
    peak = 0.0
    while not all(task.done() for task in tasks[1:]):
        peak = max(peak, gateway.memory_mb())
        await asyncio.sleep(1)
    tasks[0].cancel()
    whole = sum(1 for task in tasks[1:] if task.result())
    return whole, peak


async def _stream(port: int, *, reads: bool) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"model": "bench", "messages": [], "stream": True}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\nx-slow: {STREAM_S}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    if not reads:
        writer.transport.pause_reading()
        await asyncio.Event().wait()
    heard, data = time.monotonic(), b""
    while not data.endswith(b"0\r\n\r\n"):
        piece = await reader.read(65_536)
        if not piece:
            return False
        data = (data + piece)[-64:]
        _silences.append(time.monotonic() - heard)
        heard = time.monotonic()
    writer.close()
    return True
