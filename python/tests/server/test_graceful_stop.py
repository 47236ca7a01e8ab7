"""A stop asked for in the middle of everything: whoever listens is told, what runs is handed back, and it is quick."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from src.config import REPOSITORY
from src.errors import JsonValue
from src.ingest.addresses import source_id_of_url
from src.ingest.requests import CrawlRequest
from src.store import jobs, pages
from src.store.operation import workers
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer, Reply, Stream, model_row, running, token
from tests.ingest.parts import embed_reply, open_service
from tests.ingest.site import running_site

from .process import Running, open_data_dir, serving_process
from .rest import providers
from .test_process import site_with_a_held_page

HALF = Stream((token("Half "), token("an answer ")), end="silent")
STOP_S = 10.0


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with open_data_dir() as folder:
        yield folder


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    """A model server that begins an answer and does not end it."""
    async with running() as server:
        server.on("/tokenize", lambda request: Reply(body={"count": len(request.body) // 4}))
        server.on("/v1/models", Reply(body={"object": "list", "data": [model_row("fake-model", 2048)]}))
        server.on("/v1/chat/completions", HALF)
        server.on("/v1/embeddings", embed_reply())
        yield server


async def events(
    client: httpx.AsyncClient, method: str, path: str, seen: asyncio.Event, sign: str, **more: object
) -> list[tuple[str, dict[str, JsonValue]]]:
    """Every event of a stream up to its end; `seen` is set once one has `sign` in it."""
    found, name = [], ""
    async with client.stream(method, path, **more) as answer:  # type: ignore[arg-type]
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                found.append((name, json.loads(line[6:])))
                if sign in line:
                    seen.set()
    return found


async def stop(server: Running) -> float:
    """Ask it to stop as a container's engine does; how long it took."""
    began = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(server.process.wait(), STOP_S)
    assert server.process.returncode == 0
    return time.perf_counter() - began


async def test_streams_end_with_a_word_and_work_is_handed_back(
    data_dir: Path, free_port: int, database_url: str, models: ModelServer
) -> None:
    values = providers(models.url, models.url) | {
        "DATABASE_URL": database_url,
        "ARCHON_ALLOW_PRIVATE_ADDRESSES": "true",
    }
    async with running_site() as site, serving_process(data_dir, free_port, **values) as server:
        site_with_a_held_page(site)
        await server.answers("/health", 200)
        async with (
            httpx.AsyncClient(base_url=server.address, timeout=60) as client,
            asyncio.TaskGroup() as open_streams,
        ):
            begun = (await client.post("/api/knowledge-items/crawl", json={"url": site.url("/")})).json()["progressId"]
            stored, said = asyncio.Event(), asyncio.Event()
            path, ask = f"/api/progress/{begun}/events", {"message": "Why?", "settings": {"knowledge": False}}
            progress = open_streams.create_task(events(client, "GET", path, stored, '"pages_stored":3'))
            await stored.wait()  # a crawl gives way to who asks, so it comes first
            chat = open_streams.create_task(events(client, "POST", "/api/chat", said, "an answer", json=ask))
            await said.wait()
            took_s = await stop(server)
    assert took_s < STOP_S
    assert (chat.result()[-1][0], chat.result()[-1][1]["outcome"]) == ("done", "cancelled")
    assert (progress.result()[-1][0], progress.result()[-1][1]["code"]) == ("error", "starting")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        jobs = await connection.execute("select state, lease_owner from archon_jobs")
        assert await jobs.fetchall() == [("queued", None)]
        duties = await connection.execute("select count(*) from archon_duties where lease_until > now()")
        assert await duties.fetchone() == (0,)
        answers = await connection.execute("select outcome, content from archon_messages where role = 'assistant'")
        assert await answers.fetchall() == [("truncated", "Half an answer ")]


async def test_a_worker_hands_back_what_it_has_in_hand(
    database: PostgresDatabase, database_url: str, tmp_path: Path, models: ModelServer
) -> None:
    values = providers(models.url, models.url) | {"ARCHON_ALLOW_PRIVATE_ADDRESSES": "true"}
    values |= {"DATABASE_URL": database_url, "ARCHON_DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    async with running_site() as site, open_service(database, models.url, started=False) as service:
        site_with_a_held_page(site)
        await service.start_crawl(CrawlRequest(site.url("/")))
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "src.cli", "worker"),
            cwd=REPOSITORY / "python",
            env=values,
        )
        async with asyncio.timeout(60):
            while len(await pages.addresses(database, source_id_of_url(site.url("/")))) < 3:
                pass
            worker.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(worker.wait(), STOP_S) == 0
    assert [(job.state, job.lease_owner) for job in await jobs.unfinished(database)] == [("queued", None)]
    assert await workers(database) == []


async def test_a_collector_that_does_not_answer_does_not_keep_a_stop_waiting(
    data_dir: Path, free_port: int, database_url: str
) -> None:
    async with running() as collector:
        collector.on("/v1/traces", Reply(silent=True))
        values = {"DATABASE_URL": database_url, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        async with serving_process(data_dir, free_port, **values) as server:
            await server.answers("/health", 200)
            assert await stop(server) < STOP_S
        assert collector.asked("/v1/traces")
