"""A chat server that costs next to nothing: `max_tokens` tokens as fast as they are taken, each an event as vLLM's.

Run as a program it prints its port and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODEL = "fast"
LENGTH = 32_768
_MODELS = {"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": LENGTH}]}
_AT_ONCE = 16
"""Tokens written together, as a busy server's arrive."""


@contextmanager
def token_server() -> Iterator[str]:
    """Address of such a server in a process of its own, without /v1; gone afterwards."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


def chunk(text: str, finish_reason: str | None = None) -> bytes:
    """One event of a stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def usage(tokens: int) -> bytes:
    """The event that counts."""
    counts = {"prompt_tokens": 8, "completion_tokens": tokens, "total_tokens": tokens + 8}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [], "usage": counts}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


async def _stream(writer: asyncio.StreamWriter, tokens: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for first in range(0, tokens, _AT_ONCE):
        # Numbers, so that no answer looks like a model that repeats itself.
        part = b"".join(chunk(f" {number}") for number in range(first, min(first + _AT_ONCE, tokens)))
        writer.write(b"%x\r\n" % len(part) + part + b"\r\n")
        await writer.drain()
    end = chunk("", "stop") + usage(tokens) + b"data: [DONE]\n\n"
    writer.write(b"%x\r\n" % len(end) + end + b"\r\n0\r\n\r\n")
    await writer.drain()


async def _json(writer: asyncio.StreamWriter, body: object, status: bytes = b"200 OK") -> None:
    text = json.dumps(body).encode()
    head = b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text)
    writer.write(head + text)
    await writer.drain()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            method, path, _ = head.split(" ", 2)
            length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
            body = json.loads(await reader.readexactly(length) or b"{}")
            if path == "/v1/models":
                await _json(writer, _MODELS)
            elif path == "/version":
                await _json(writer, {"version": "0.32.0"})
            elif path == "/tokenize":
                await _json(writer, {"count": len(json.dumps(body)) // 4})
            elif path == "/v1/chat/completions" and method == "post":
                await _stream(writer, int(body.get("max_tokens") or 16))
            else:
                status = b"405 Method Not Allowed" if path == "/v1/chat/completions" else b"404 Not Found"
                await _json(writer, {"detail": "no"}, status)
    except (ConnectionError, asyncio.IncompleteReadError):
        writer.close()


async def serve() -> None:
    """Serve until standard input ends."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
