"""The load of the gateway bench: as many connections as asked for, each sending the next request when one is answered.

`python _gateway_load.py PORT PATH CONNECTIONS SECONDS KIND KEY`; KIND is json or stream. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import httptools
import uvloop


class Caller(asyncio.Protocol):
    """One connection that asks again and again."""

    def __init__(self, request: bytes, ends_at: float, done: asyncio.Future[None]) -> None:
        self.request = request
        self.ends_at = ends_at
        self.done = done
        self.times: list[float] = []
        self.errors = 0
        self.size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.errors += time.perf_counter() < self.ends_at
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.size += len(body)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self.times.append(now - self.began)
        if self.parser.get_status_code() != 200 or self.size < 500:
            self.errors += 1
        if now >= self.ends_at or not self.parser.should_keep_alive():
            self.errors += now < self.ends_at
            self.transport.close()
        else:
            self._ask()

    def _ask(self) -> None:
        self.size = 0
        self.parser = httptools.HttpResponseParser(self)
        self.began = time.perf_counter()
        self.transport.write(self.request)


async def run(port: int, path: str, connections: int, seconds: float, kind: str, key: str) -> dict[str, float]:
    """Load one server; times are in milliseconds."""
    fields = {"model": "bench", "messages": [{"role": "user", "content": "a" * 880}], "temperature": 0}
    body = json.dumps(fields | ({"stream": True} if kind == "stream" else {})).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    callers = [Caller(head.encode() + body, began + seconds, loop.create_future()) for _ in range(connections)]
    for caller in callers:
        await loop.create_connection(lambda one=caller: one, "127.0.0.1", port)
    await asyncio.wait([caller.done for caller in callers], timeout=seconds + 10)
    took = time.perf_counter() - began
    times = sorted(value for caller in callers for value in caller.times) or [float("nan")]
    return {
        "requests": len(times),
        "per_s": len(times) / took,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
        "errors": sum(caller.errors for caller in callers),
    }


if __name__ == "__main__":
    port, path, connections, seconds, kind, key = sys.argv[1:7]
    print(json.dumps(uvloop.run(run(int(port), path, int(connections), float(seconds), kind, key))))
