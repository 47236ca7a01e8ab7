"""A model server that costs nothing but a fixed time per request and per text: what is left is the client's own.

With `at_once` it works on so many requests at a time and lets the others wait, as a GPU of that size does.

Run as a program it prints its port and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

DIMENSIONS = 384
MODEL = "fixed-cost"


@contextmanager
def fixed_cost_server(*, request_ms: float = 0.0, text_ms: float = 0.0, at_once: int = 100_000) -> Iterator[str]:
    """Address of such a server in a process of its own, without /v1; gone afterwards."""
    program = [sys.executable, str(Path(__file__)), str(request_ms), str(text_ms), str(at_once)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


@cache
def vectors(count: int) -> bytes:
    """The answer for `count` texts."""
    embedding = base64.b64encode(array("f", [0.05] * DIMENSIONS).tobytes()).decode()
    rows = [{"object": "embedding", "index": at, "embedding": embedding} for at in range(count)]
    return json.dumps({"object": "list", "data": rows, "model": MODEL, "usage": {"prompt_tokens": count * 8}}).encode()


COMPLETION = json.dumps(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    }
).encode()
MODELS = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": 2048}]}).encode()


async def serve(request_s: float, text_s: float, at_once: int) -> None:
    """Serve until standard input ends."""
    places = asyncio.Semaphore(at_once)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                path = head.split(" ", 2)[1]
                length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
                body = await reader.readexactly(length)
                texts = len(json.loads(body)["input"]) if body and path == "/v1/embeddings" else 0
                if body:
                    async with places:
                        await asyncio.sleep(request_s + text_s * texts)
                reply = vectors(texts) if texts else COMPLETION if body else MODELS
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
                writer.write(b"content-length: %d\r\n\r\n" % len(reply) + reply)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000, float(sys.argv[2]) / 1000, int(sys.argv[3])))
