"""Traces reach a collector: a real process, a real socket, the protocol's own message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from src.config import load_environment
from src.server.tracing import tracing

from .process import open_data_dir, serving_process

PARENT = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with open_data_dir() as folder:
        yield folder


@asynccontextmanager
async def collector(received: asyncio.Queue[bytes]) -> AsyncIterator[str]:
    async def take(request: web.Request) -> web.Response:
        received.put_nowait(await request.read())
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_request_is_a_span_of_the_callers_trace(data_dir: Path, free_port: int, database_url: str) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()
    async with collector(received) as address:
        values = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "DATABASE_URL": database_url,
        }
        async with serving_process(data_dir, free_port, **values) as server, httpx.AsyncClient() as client:
            await server.answers("/health", 200)
            traced = {"traceparent": f"00-{PARENT}-b7ad6b7169203331-01"}
            await client.get(f"{server.address}/api/credentials/nothing", headers=traced)
            spans = await spans_until(received, "GET /api/credentials/{key}")
    [span] = [span for span in spans if span.name == "GET /api/credentials/{key}"]
    assert span.trace_id.hex() == PARENT
    assert {a.key: a.value.int_value for a in span.attributes}["http.response.status_code"] == 404


def test_without_a_collector_no_span_is_recorded() -> None:
    with tracing(load_environment({}), "archon-server"):
        assert not trace.get_tracer("archon").start_span("anything").is_recording()


async def spans_until(received: asyncio.Queue[bytes], name: str) -> list[object]:
    spans: list[object] = []
    async with asyncio.timeout(30):
        while not any(span.name == name for span in spans):
            message = ExportTraceServiceRequest.FromString(await received.get())
            spans += [span for part in message.resource_spans for scope in part.scope_spans for span in scope.spans]
    return spans
