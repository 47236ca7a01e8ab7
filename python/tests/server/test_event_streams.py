"""Event streams over a real socket: flushed at once, alive through silence, ended when somebody leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from src.config.access import AccessPolicy
from src.errors import ConfigurationError, StreamCut
from src.server import errors_http
from src.server.edge import Edge
from src.server.metrics import ServerMetrics
from src.server.sse import EventStream, ServerEvent


class Source:
    """A stream that a test controls, and what became of it."""

    def __init__(self) -> None:
        self.upcoming: asyncio.Queue[ServerEvent | Exception | None] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.stopping = asyncio.Event()

    async def events(self) -> AsyncIterator[ServerEvent]:
        try:
            while (item := await self.upcoming.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.ended.set()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def client(source: Source) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    errors_http.register(app)
    app.state.metrics = ServerMetrics()
    app.add_middleware(Edge, policy=AccessPolicy(hosts=(), origins=(), token=None), metrics=app.state.metrics)

    @app.get("/events")
    async def events() -> EventStream:
        farewell = ServerEvent("done", {"outcome": "cancelled"})
        return EventStream(source.events(), source.stopping, farewell=farewell, keep_alive_s=0.05)

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1))
    config = server.config
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    ticking = asyncio.create_task(server.main_loop())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as opened:
        yield opened
    server.should_exit = True
    await ticking
    await server.shutdown()


def token(text: str) -> ServerEvent:
    return ServerEvent("token", {"text": text})


async def test_an_event_leaves_before_the_next_one_exists(source: Source, client: httpx.AsyncClient) -> None:
    source.upcoming.put_nowait(token("Grüße\n"))
    async with client.stream("GET", "/events") as answer:
        first = await anext(answer.aiter_text())
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert first == 'event: token\ndata: {"text":"Grüße\\n"}\n\n'


async def test_silence_is_filled_with_comments(source: Source, client: httpx.AsyncClient) -> None:
    source.upcoming.put_nowait(token("a"))
    async with client.stream("GET", "/events") as answer:
        texts = answer.aiter_text()
        got = [await anext(texts), await anext(texts)]
    assert got[1] == ": keep-alive\n\n"


async def test_a_client_that_leaves_stops_the_work_within_half_a_second(
    source: Source, client: httpx.AsyncClient
) -> None:
    source.upcoming.put_nowait(token("a"))
    async with client.stream("GET", "/events") as answer:
        await anext(answer.aiter_text())
    await asyncio.wait_for(source.ended.wait(), 0.5)
    assert source.ended.is_set()


async def test_a_client_that_leaves_before_the_first_event_stops_the_work(
    source: Source, client: httpx.AsyncClient
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await client.get("/events", timeout=0.3)
    await asyncio.wait_for(source.ended.wait(), 0.5)
    assert source.ended.is_set()


async def test_a_failure_before_the_first_event_is_an_http_error(source: Source, client: httpx.AsyncClient) -> None:
    source.upcoming.put_nowait(ConfigurationError("No model is chosen."))
    answer = await client.get("/events")
    assert (answer.status_code, answer.json()["detail"]["code"]) == (422, "configuration")


async def test_a_failure_after_the_first_event_is_an_event(source: Source, client: httpx.AsyncClient) -> None:
    source.upcoming.put_nowait(token("a"))
    source.upcoming.put_nowait(StreamCut("The stream ended early."))
    answer = await client.get("/events")
    assert answer.text.split("\n")[3] == "event: error"
    assert '"code":"stream_cut"' in answer.text


async def test_a_shutdown_ends_the_stream_with_a_last_word(source: Source, client: httpx.AsyncClient) -> None:
    source.upcoming.put_nowait(token("a"))
    async with client.stream("GET", "/events") as answer:
        texts = answer.aiter_text()
        await anext(texts)
        source.stopping.set()
        rest = "".join([text async for text in texts])
    assert rest.endswith('event: done\ndata: {"outcome":"cancelled"}\n\n')


async def test_a_fault_in_the_middle_is_never_a_whole_answer(source: Source, client: httpx.AsyncClient) -> None:
    source.upcoming.put_nowait(token("a"))
    source.upcoming.put_nowait(KeyError("a fault of ours"))
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/events")
    assert source.ended.is_set()
