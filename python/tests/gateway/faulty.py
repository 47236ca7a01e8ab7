"""A model server on a real socket that answers discovery like vLLM and misbehaves on request."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

NOT_FOUND = b'{"detail":"Not Found"}'
ROUTES = {
    "chat": ("/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize"),
    "embed": ("/v1/embeddings", "/v1/rerank", "/rerank", "/score", "/tokenize", "/detokenize"),
}


@dataclass(frozen=True)
class Seen:
    """A request as it arrived. `fields` is its JSON body."""

    path: str
    headers: dict[str, str]
    body: bytes
    fields: dict[str, object] = field(default_factory=dict)
    method: str = "POST"


class Line:
    """The connection a behaviour answers on."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer

    async def answer(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        """A whole answer with Content-Length."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{lines}\r\n"
        await self.raw(head.encode() + body)

    async def begin_stream(self) -> None:
        """The head of an event stream."""
        await self.raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        """One HTTP chunk."""
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        """The last chunk."""
        await self.raw(b"0\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        with suppress(OSError):  # the other side was quicker, and the socket is gone
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        """FIN."""
        self.writer.close()


Behaviour: TypeAlias = Callable[[Line, Seen], Awaitable[None]]


def chat_answer(model: str = "m", text: str = "hello") -> bytes:
    """A whole chat answer."""
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "total_tokens": 9, "completion_tokens": 2},
        }
    ).encode()


def event(text: str = "", reason: str | None = None, **more: object) -> bytes:
    """One chat chunk as vLLM writes it."""
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": reason, **more}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def whole_stream(tokens: int = 3) -> list[bytes]:
    """A stream that ends as it should."""
    return [event(f"t{number} ") for number in range(tokens)] + [event("", "stop"), DONE]


async def good(line: Line, seen: Seen) -> None:
    """What a well server does."""
    if seen.fields.get("stream") is True:
        await stream(*whole_stream())(line, seen)
    elif seen.path == "/v1/embeddings":
        inputs = seen.fields["input"]
        count = len(inputs) if isinstance(inputs, list) else 1
        rows = [{"index": number, "object": "embedding", "embedding": [0.5, float(number)]} for number in range(count)]
        usage = {"prompt_tokens": count, "total_tokens": count, "completion_tokens": 0}
        await line.answer(200, json.dumps({"object": "list", "model": "m", "data": rows, "usage": usage}).encode())
    else:
        await line.answer(200, chat_answer())


def status(
    code: int, body: bytes = b'{"error":{"message":"no","type":"X","param":null,"code":0}}', **headers: str
) -> Behaviour:
    """Answer with this status."""

    async def behave(line: Line, seen: Seen) -> None:
        await line.answer(code, body, **headers)

    return behave


def answers(body: bytes, kind: str = "application/json") -> Behaviour:
    """Answer 200 with this body."""

    async def behave(line: Line, seen: Seen) -> None:
        await line.answer(200, body, kind)

    return behave


def stream(*chunks: bytes, ending: str = "end") -> Behaviour:
    """Send these chunks; then end properly, `reset`, `close` or stay silent (`hang`)."""

    async def behave(line: Line, seen: Seen) -> None:
        await line.begin_stream()
        for chunk in chunks:
            await line.chunk(chunk)
        await _ending(line, ending)

    return behave


def raw(data: bytes, ending: str = "close") -> Behaviour:
    """Send these bytes, whatever they are."""

    async def behave(line: Line, seen: Seen) -> None:
        await line.raw(data)
        await _ending(line, ending)

    return behave


async def reset(line: Line, seen: Seen) -> None:
    """Break the connection without a byte."""
    line.reset()


async def hang(line: Line, seen: Seen) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def after(release: asyncio.Event) -> Behaviour:
    """Answer well, once that is set."""

    async def behave(line: Line, seen: Seen) -> None:
        await release.wait()
        await good(line, seen)

    return behave


async def _ending(line: Line, ending: str) -> None:
    if ending == "end":
        await line.end()
    elif ending == "reset":
        line.reset()
    elif ending == "close":
        line.close()
    else:
        await asyncio.Event().wait()


class FaultyServer:
    """The server. `behaves` is asked for each inference request; `next` holds what is done first, once each."""

    def __init__(self, model: str = "m", kind: str = "chat", version: str | None = "0.32.0") -> None:
        self.models: dict[str, int | None] = {model: 2048}
        self.kind = kind
        self.version = version
        self.health = 200
        self.metrics = b""
        self.counting = False
        self.behaves: Behaviour = good
        self.next: list[Behaviour] = []
        self.seen: list[Seen] = []
        self.probes: list[Seen] = []
        self.left = asyncio.Event()
        self.connections = 0
        self.scheme = "http"
        self.host = "127.0.0.1"
        self.port = 0
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    async def start(self, tls: ssl.SSLContext | None = None) -> FaultyServer:
        """Listen, at the same port again after `stop`."""
        self.scheme = "https" if tls is not None else "http"
        self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=2**24, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Die: refuse connections, reset the open ones."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._lines):
            Line(writer).reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._lines.add(writer)
        self.connections += 1
        try:
            while (seen := await self._read(reader)) is not None:
                await self._answer(Line(writer), seen, reader)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._lines.discard(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Seen | None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines if line}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        try:
            fields = json.loads(body) if body else {}
        except ValueError:
            fields = {}
        method, path, _ = first.split(" ")
        return Seen(path, headers, body, fields if isinstance(fields, dict) else {}, method)

    async def _answer(self, line: Line, seen: Seen, reader: asyncio.StreamReader) -> None:
        if seen.method == "GET" and seen.path in ROUTES["chat"] + ROUTES["embed"]:
            known = seen.path in ROUTES[self.kind]
            await line.answer(405 if known else 404, b'{"detail":"Method Not Allowed"}' if known else NOT_FOUND)
            return
        if seen.method == "GET" or (seen.headers.get("x-request-id", "").startswith("probe-") and not seen.fields):
            self.probes.append(seen)
            await self._answer_probe(line, seen.path)
            return
        if seen.headers.get("x-request-id", "").startswith("probe-"):
            self.probes.append(seen)
        else:
            self.seen.append(seen)
        behave = self.next.pop(0) if self.next else self.behaves
        work = asyncio.ensure_future(behave(line, seen))
        gone = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and gone.done() and (gone.exception() is not None or gone.result() == b""):
            self.left.set()
            work.cancel()
            raise ConnectionError
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        try:
            await work
        except ConnectionError:
            self.left.set()
            raise

    async def _answer_probe(self, line: Line, path: str) -> None:
        if path == "/health":
            await line.answer(self.health, b"")
        elif path == "/v1/models":
            rows = [{"id": name, "object": "model", "max_model_len": length} for name, length in self.models.items()]
            await line.answer(200, json.dumps({"object": "list", "data": rows}).encode())
        elif path == "/metrics":
            tokens = b'vllm:num_requests_running{engine="0"} 1.0\nvllm:generation_tokens_total{engine="0"} %d.0\n'
            await line.answer(200, tokens % len(self.probes) if self.counting else self.metrics, "text/plain")
        elif path == "/version" and self.version:
            await line.answer(200, json.dumps({"version": self.version}).encode())
        elif path in ROUTES[self.kind]:
            await line.answer(400, b'{"error":{"message":"missing","type":"Bad Request","param":"body","code":400}}')
        else:
            await line.answer(404, NOT_FOUND)
