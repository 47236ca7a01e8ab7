"""A model server on a real socket that does exactly what a test tells it: answers, refuses, falls silent, breaks off.

Speaks HTTP/1.1 by hand, since a proper server would not send half an answer. By default it behaves like a small vLLM
(/version, /v1/models, /tokenize, GET on a POST route is 405); `on` replaces the answer of one route, `kinds` says
which POST routes exist.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

RESET = struct.pack("ii", 1, 0)
POST_ROUTES = {"/v1/chat/completions", "/v1/embeddings", "/v1/rerank"}


@dataclass(frozen=True)
class Request:
    """What came in; header names are lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer. `cut`: promise more bytes than are sent, then close. `silent_before`/`silent_after`: fall silent."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cut: bool = False
    silent: bool = False

    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Stream:
    """Server-sent events, each part sent as it stands. `end`: `done` closes well, `cut`, `reset` or `silent`."""

    parts: tuple[bytes, ...]
    end: str = "done"
    content_type: str = "text/event-stream; charset=utf-8"


class Silence:
    """Take the request and never answer."""


class Reset:
    """Take the request and reset the connection before a single byte."""


Answer = Reply | Stream | Silence | Reset | Callable[[Request], "Reply | Stream | Silence | Reset"]


class ModelServer:
    """The server; `requests` holds what came in, `gone` is set when a client hangs up during an answer."""

    def __init__(self, scheme: str = "http") -> None:
        self.scheme = scheme
        self.port = 0
        self.requests: list[Request] = []
        self.gone = asyncio.Event()
        self.busy = asyncio.Event()
        self.most_at_once = 0
        self.kinds = frozenset(POST_ROUTES)
        self._at_once = 0
        self._answers: dict[str, Answer] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def on(self, path: str, answer: Answer) -> None:
        """Answer requests for `path` (without query) with `answer` from now on."""
        self._answers[path] = answer

    def asked(self, path: str) -> list[Request]:
        """The requests for `path`, POST only."""
        return [one for one in self.requests if one.path == path and one.method == "POST"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as many requests as the client sends."""
        self._writers.add(writer)
        try:
            while (request := await read_request(reader, writer)) is not None:
                self.requests.append(request)
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                try:
                    if not await self._answer(request, reader, writer):
                        return
                finally:
                    self._at_once -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if request.path in POST_ROUTES - self.kinds:
            return await send_reply(Reply(404, {"detail": "Not Found"}), writer)
        probed = request.method == "GET" and request.path in POST_ROUTES
        answer = (None if probed else self._answers.get(request.path.partition("?")[0])) or default_answer(request)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Reply) and not answer.silent:
            return await send_reply(answer, writer)
        if isinstance(answer, Stream):
            return await self._send_stream(answer, reader, writer)
        if isinstance(answer, Reset):
            reset(writer)
            return False
        await self._until_gone(reader)
        return False

    async def _send_stream(self, stream: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {stream.content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        )
        for part in stream.parts:
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
        if stream.end == "done":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return True
        if stream.end == "reset":
            reset(writer)
        elif stream.end == "silent":
            await self._until_gone(reader)
        return False

    async def _until_gone(self, reader: asyncio.StreamReader) -> None:
        self.busy.set()
        await reader.read(1)
        self.gone.set()

    async def close(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request of a connection; None at its end."""
    first_byte = await reader.read(1)
    if first_byte == b"\x16":
        # A TLS handshake on a port without TLS: every plain server answers it like this.
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        return None
    if not first_byte:
        return None
    head = first_byte + await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, path, _ = first.split(" ", 2)
    return Request(method, path, headers, body)


async def send_reply(reply: Reply, writer: asyncio.StreamWriter) -> bool:
    body = reply.payload()
    length = len(body) + (10 if reply.cut else 0)
    headers = {"content-type": reply.content_type, "content-length": str(length), **reply.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    writer.write(f"HTTP/1.1 {reply.status} Whatever\r\n{lines}\r\n".encode() + body)
    await writer.drain()
    return not reply.cut


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


def default_answer(request: Request) -> Reply | Stream:
    """What a small, healthy vLLM that chats and embeds would say (wire of 0.32.0, seen 2026-11-21)."""
    if request.path == "/version":
        return Reply(body={"version": "0.32.0"})
    if request.path == "/v1/models":
        return Reply(body={"object": "list", "data": [model_row("fake-model")]})
    if request.path == "/tokenize":
        return Reply(body={"count": len(str(request.json().get("prompt", "")).split()) + 2, "max_model_len": 128})
    if request.path in POST_ROUTES and request.method == "GET":
        return Reply(405, {"detail": "Method Not Allowed"})
    if request.path == "/v1/chat/completions":
        return answer_of("Hello", "!") if request.json().get("stream") else Reply(body=completion("Hello!"))
    if request.path == "/v1/embeddings":
        return Reply(body=embeddings([[1.0, 0.0, 0.0, 0.0]] * len(request.json()["input"])))
    if request.path == "/v1/rerank":
        return ranking([1.0] * len(request.json()["documents"]))
    return Reply(404, {"detail": "Not Found"})


def model_row(name: str, max_model_len: int = 128) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "owned_by": "vllm",
        "root": f"/models/{name}",
        "max_model_len": max_model_len,
    }


def embeddings(vectors: list[list[float]], tokens: int = 8) -> dict[str, Any]:
    rows = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    return {"object": "list", "data": rows, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def ranking(scores: list[float]) -> Reply:
    """vLLM 0.32.0's answer of /v1/rerank: sorted by score, each with its index (seen 2026-11-21)."""
    rows = [{"index": at, "document": {"text": "x"}, "relevance_score": score} for at, score in enumerate(scores)]
    rows.sort(key=lambda row: float(str(row["relevance_score"])), reverse=True)
    return Reply(body={"id": "score-1", "model": "fake-model", "results": rows})


def scores(*numbers: float) -> Reply:
    """vLLM 0.32.0's answer of /score: in the order of the texts (seen 2026-11-21)."""
    rows = [{"index": at, "object": "score", "score": score} for at, score in enumerate(numbers)]
    return Reply(body={"id": "score-1", "object": "list", "created": 1, "model": "fake-model", "data": rows})


def completion(text: str, finish_reason: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "fake-model", "choices": [choice]}


def event(body: Any) -> bytes:
    """One event as vLLM frames it."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def token(text: str, finish_reason: str | None = None, **delta: Any) -> bytes:
    """One chunk of a chat stream."""
    choice = {"index": 0, "delta": {"content": text, **delta}, "finish_reason": finish_reason}
    return event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


USAGE = event(
    {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
)
DONE = b"data: [DONE]\n\n"


def answer_of(*texts: str) -> Stream:
    """A whole, healthy chat stream."""
    return Stream((*(token(text) for text in texts), token("", "stop"), USAGE, DONE))


QUIET_PORTS = range(20_000, 32_000)
"""Below the ports that systems give to whoever asks for any: here the ports beside a server's are free too."""


async def listen(server: ModelServer, tls: ssl.SSLContext | None, ports: tuple[int, ...]) -> asyncio.Server:
    tried = ports or tuple(random.sample(QUIET_PORTS, 20))
    for port in tried[:-1]:
        try:
            return await asyncio.start_server(server.serve, "127.0.0.1", port, ssl=tls)
        except OSError:
            continue
    return await asyncio.start_server(server.serve, "127.0.0.1", tried[-1], ssl=tls)


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None, ports: tuple[int, ...] = ()) -> AsyncIterator[ModelServer]:
    """The server on 127.0.0.1, on the first of `ports` that is free; none given: on any."""
    server = ModelServer("https" if tls else "http")
    listener = await listen(server, tls, ports)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await server.close()
        listener.close()
        await listener.wait_closed()
