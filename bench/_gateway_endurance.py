"""Does the gateway's memory stay flat: over 100,000 requests, and over 64 long streams, one of which nobody reads."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from _gateway_peers import KEY, Started, gateway_command, wait_until_open
from _gateway_upstream import EVENTS

PATH = "/v1/chat/completions"
BENCH = Path(__file__).resolve().parent
STREAMS = 64
GROWTH = 0.05
"""What 100,000 requests may add to the memory at most, as a share."""
_WARM_S = 5.0
_STALL_EVENTS = 10
_STALL_S = 1.0
"""A stream that hears nothing for the time of so many events, or so long, was held up by another one."""


@dataclass(frozen=True)
class Streams:
    """How many were whole, the longest silence within one, and the gateway's largest memory meanwhile."""

    whole: int
    silence_s: float
    peak_mb: float


def endure(folder: Path, port: int, upstream: int, requests: int = 100_000, stream_s: float = 60.0) -> str:
    """Both measurements, as lines."""
    gateway = Started(gateway_command(folder, port, upstream, folder), folder, "gateway-endurance")
    try:
        wait_until_open(port, PATH, 30)
        warm = _many(port, min(requests, 10_000))
        before = gateway.memory_mb()
        sent = _many(port, requests)
        after = gateway.memory_mb()
        found = asyncio.run(_streams(gateway, port, stream_s))
    finally:
        gateway.stop()
    growth = after / before - 1
    usual_s = stream_s / EVENTS
    well = found.whole == STREAMS - 1 and found.silence_s < max(_STALL_S, _STALL_EVENTS * usual_s)
    return (
        f"memory: {before:.1f} MB after {warm:,} requests, {after:.1f} MB after {sent:,} more ({growth * 100:+.1f} %, "
        f"less than {GROWTH * 100:.0f} % wanted): {_word(growth < GROWTH)}\n"
        f"{STREAMS} streams of {stream_s:.0f} s, one never read: {found.whole} of {STREAMS - 1} whole, longest silence "
        f"within one {found.silence_s:.2f} s (an event each {usual_s:.2f} s): {_word(well)}\n"
        f"memory meanwhile: {after:.1f} MB before, at most {found.peak_mb:.1f} MB "
        f"({(found.peak_mb / after - 1) * 100:+.1f} %): {_word(found.peak_mb / after - 1 < GROWTH)}"
    )


def _word(held: bool) -> str:
    return "held" if held else "NOT HELD"


def _many(port: int, requests: int) -> int:
    """Send at least so many; returns how many it were."""
    sent = 0
    while sent < requests:
        command = [sys.executable, str(BENCH / "_gateway_load.py"), str(port), PATH, "32", str(_WARM_S), "json", KEY]
        sent += int(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["requests"])
    return sent


async def _streams(gateway: Started, port: int, stream_s: float) -> Streams:
    silences: list[float] = []
    tasks = [asyncio.create_task(_stream(port, stream_s, silences, reads=number > 0)) for number in range(STREAMS)]
    peak = 0.0
    while not all(task.done() for task in tasks[1:]):
        peak = max(peak, gateway.memory_mb())
        await asyncio.sleep(1)
    tasks[0].cancel()
    return Streams(sum(1 for task in tasks[1:] if task.result()), max(silences, default=float("inf")), peak)


async def _stream(port: int, stream_s: float, silences: list[float], *, reads: bool) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"model": "bench", "messages": [], "stream": True}).encode()
    # The one that is never read is sent 25 MB at once: they have to wait somewhere, and not in the gateway.
    pace = f"x-slow: {stream_s}\r\n" if reads else "x-events: 100000\r\n"
    head = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n{pace}"
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
        silences.append(time.monotonic() - heard)
        heard = time.monotonic()
    writer.close()
    return True
