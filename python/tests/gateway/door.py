"""A gateway on a real socket, and a client that shows every byte of its answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

from src.config import Environment, load_environment
from src.gateway.config import GatewayConfig
from src.gateway.log import AccessLog
from src.gateway.serve import Listening, listen

PATIENT = {
    "timeouts": {"connect_s": 10.0, "first_byte_s": 30.0, "between_bytes_s": 30.0, "answer_s": 30.0, "drain_s": 30.0},
    "discovery": {"refresh_s": 0.3, "probe_timeout_s": 10.0},
    "retries": {"first_wait_s": 0.01, "longest_wait_s": 0.1},
}
"""A gateway that looks and retries often, and waits longer than a busy machine needs."""
SOON = {"first_byte_s": 0.4, "between_bytes_s": 0.4, "answer_s": 0.4}
"""Time-outs for tests of what does not come."""
CHAT: dict[str, object] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM: dict[str, object] = {**CHAT, "stream": True}


@dataclass(frozen=True)
class Answer:
    """An answer, its body freed of chunked framing. `ended`: its framing was complete."""

    status: int
    headers: dict[str, str]
    body: bytes
    ended: bool = True

    @property
    def error(self) -> dict[str, object]:
        return dict(json.loads(self.body)["error"])

    @property
    def events(self) -> list[dict[str, object]]:
        """The JSON of its events."""
        lines = [line[5:].strip() for line in self.body.splitlines() if line.startswith(b"data:")]
        return [json.loads(line) for line in lines if line != b"[DONE]"]


class Client:
    """One connection to the gateway."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def open(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send a request."""
        lines = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json", "Content-Length": str(len(body))}
        text = "".join(f"{name}: {value}\r\n" for name, value in (lines | (headers or {})).items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode() + body)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer."""
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = raw.split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines if line}
        return int(first.split(" ")[1]), headers

    async def chunk(self) -> bytes:
        """The next chunk of a chunked answer; b'' for the last."""
        size = int(await self.reader.readline(), 16)
        data = await self.reader.readexactly(size)
        await self.reader.readline()
        return data

    async def answer(self) -> Answer:
        """The whole answer."""
        status, headers = await self.head()
        if "content-length" in headers:
            return Answer(status, headers, await self.reader.readexactly(int(headers["content-length"])))
        pieces: list[bytes] = []
        try:
            while piece := await self.chunk():
                pieces.append(piece)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            return Answer(status, headers, b"".join(pieces), ended=False)
        return Answer(status, headers, b"".join(pieces))

    def leave(self) -> None:
        """Close at once."""
        self.writer.transport.abort()


class Door:
    """A gateway that listens."""

    def __init__(self, listening: Listening, lines: list[dict[str, object]]) -> None:
        self.listening = listening
        self.gateway = listening.gateway
        self.port = listening.port
        self._lines = lines

    async def ask(self, path: str, fields: object, headers: dict[str, str] | None = None) -> Answer:
        """POST JSON on a connection of its own and return the answer."""
        body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        return await self._once("POST", path, body, headers)

    async def chat(self, **changes: object) -> Answer:
        """A plain chat."""
        return await self.ask("/v1/chat/completions", CHAT | changes)

    async def stream(self, **changes: object) -> Answer:
        """A streamed chat, to its end."""
        return await self.ask("/v1/chat/completions", STREAM | changes)

    async def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """GET."""
        return await self._once("GET", path, b"", headers)

    async def client(self) -> Client:
        """An open connection."""
        return await Client(self.port).open()

    async def metric(self, name: str, **labels: str) -> float:
        """As `count`."""
        return self.count(name, **labels)

    def count(self, name: str, **labels: str) -> float:
        """The value of a metric now; 0 where it was never counted."""
        value = self.gateway.metrics.registry.get_sample_value(f"archon_gateway_{name}", labels)
        return value or 0.0

    @property
    def log(self) -> list[dict[str, object]]:
        """The access log so far."""
        self.gateway.log.flush()
        return self._lines

    async def close(self) -> None:
        """Stop it. Whatever a test did: with its clients gone, nothing is left under way, and no connection is open."""
        fleet = self.gateway.fleet
        servers = [*fleet.servers.values(), *fleet.draining]
        for front in self.listening.guests:
            front.abort()
        self.listening.server.close()
        await until(lambda: self.gateway.running == 0)
        await self.gateway.stop()
        left = {one.name: (one.upstream.outstanding, one.dialer.open_connections()) for one in servers}
        assert left == dict.fromkeys(left, (0, 0))
        assert [pool.queued for pool, _ in fleet.pools] == [0] * len(fleet.pools)

    async def _once(self, method: str, path: str, body: bytes, headers: dict[str, str] | None) -> Answer:
        client = await self.client()
        try:
            await client.send(method, path, body, headers)
            async with asyncio.timeout(20):
                return await client.answer()
        finally:
            client.leave()


async def open_door(
    urls: list[str], environment: dict[str, str] | None = None, host: str = "127.0.0.1", **tables: object
) -> Door:
    """A gateway before these servers, with patient deadlines. Tables of gateway.toml replace the defaults."""
    pool = {"name": "pool", "upstreams": [{"url": url} for url in urls]} | dict(tables.pop("pool", {}))  # type: ignore[call-overload]
    merged: dict[str, object] = {"pools": [pool]}
    for name in {*PATIENT, *tables}:
        wanted = tables.get(name)
        merged[name] = PATIENT.get(name, {}) | wanted if isinstance(wanted, dict) else wanted or PATIENT[name]
    config = GatewayConfig.model_validate(merged)
    lines: list[dict[str, object]] = []
    log = AccessLog(lambda text: lines.extend(json.loads(line) for line in text.splitlines()))
    settings: Environment = load_environment(environment or {})
    return Door(await listen(config, settings, host, 0, log), lines)


async def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return as soon as `true()`; fail when that takes longer than `seconds`."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for is a value inside the gateway
            await asyncio.sleep(0.005)


def unmoved(value: Callable[[], int], looks: int = 40) -> Callable[[], bool]:
    """Whether `value()` was the same at so many looks in a row."""
    seen: list[int] = []

    def look() -> bool:
        seen.append(value())
        return len(seen) > looks and len(set(seen[-looks:])) == 1

    return look
