"""The server as a process of its own, with its own embedded Postgres."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from src.errors import JsonValue
from src.store.embedded import EmbeddedPostgres
from tests.ingest.site import Site, running_site

from .process import Running, open_data_dir, serving_process, start
from .rest import events_of, providers

PAGES = ("/one", "/two", "/three")
IDLE_MB = 250
PORT_OPEN_S = 3.0
"""Of processor time, which is the time on the clock where nothing else runs."""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with open_data_dir() as folder:
        yield folder


@pytest.fixture
async def running(data_dir: Path, free_port: int) -> AsyncIterator[Running]:
    async with serving_process(data_dir, free_port) as server:
        yield server


async def test_the_port_is_open_at_once_and_says_what_is_still_missing(running: Running) -> None:
    starting = await running.answers("/health", 503)
    assert (starting.json()["ready"], starting.json()["checks"][0]["name"]) == (False, "database")
    assert running.worked_s < PORT_OPEN_S


async def test_an_idle_server_is_small(running: Running) -> None:
    await running.answers("/health", 200)
    assert running.resident_mb < IDLE_MB


async def test_a_stop_is_quick_and_takes_the_database_along(running: Running) -> None:
    await running.answers("/health", 200)
    began = time.perf_counter()
    running.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(running.process.wait(), 10)
    assert (running.process.returncode, time.perf_counter() - began < 5) == (0, True)
    assert not EmbeddedPostgres(running.data_dir / "postgres").is_running()


async def test_a_database_that_is_away_is_said_and_found_again(running: Running) -> None:
    await running.answers("/health", 200)
    cluster = EmbeddedPostgres(running.data_dir / "postgres")
    await asyncio.to_thread(cluster.stop)
    away = await running.answers("/health", 503)
    assert away.json()["checks"][0]["next_step"]
    await asyncio.to_thread(cluster.start)
    assert (await running.answers("/health", 200)).json()["ready"]


async def test_a_server_that_is_killed_in_mid_crawl_goes_on_where_it_was(
    data_dir: Path, free_port: int, vllm_chat_url: str, vllm_embedding_url: str
) -> None:
    values = providers(vllm_chat_url, vllm_embedding_url) | {"ARCHON_ALLOW_PRIVATE_ADDRESSES": "true"}
    async with running_site() as site:
        held = site_with_a_held_page(site)
        async with serving_process(data_dir, free_port, **values) as first:
            await first.answers("/health", 200)
            progress_id = await crawl_until_stored(first, site.url("/"))
            first.process.kill()
            await first.process.wait()
        held.set()
        async with serving_process(data_dir, free_port, **values) as second:
            await second.answers("/health", 200)
            state = await last_state(second, progress_id)
    assert (state["status"], state["outcome"]["pages_stored"]) == ("completed", 4)


async def test_a_taken_port_is_a_sentence_not_a_traceback(running: Running, data_dir: Path) -> None:
    await running.answers("/health", 503)
    second = await start(data_dir, int(running.address.rpartition(":")[2]))
    assert await asyncio.wait_for(second.process.wait(), 20) == 2
    output = (data_dir / "server.log").read_text()
    assert "cannot listen on 127.0.0.1" in output
    assert "Traceback" not in output


async def test_no_token_beyond_this_machine_is_a_sentence_not_a_traceback(data_dir: Path, free_port: int) -> None:
    server = await start(data_dir, free_port, ARCHON_BIND="0.0.0.0", ARCHON_TOKEN="")
    assert await asyncio.wait_for(server.process.wait(), 20) == 2
    output = (data_dir / "server.log").read_text()
    assert "ARCHON_TOKEN" in output
    assert "Traceback" not in output


def site_with_a_held_page(site: Site) -> asyncio.Event:
    """Four pages; the last one answers once the returned event is set."""
    held = asyncio.Event()
    site.article("/", "Start", "Where everything begins and leads on.", PAGES)
    for path in PAGES:
        site.article(path, path[1:], f"Words about the number {path[1:]}, enough of them to be worth a passage.")
    site.answers[PAGES[-1]][0].hold = held
    return held


async def crawl_until_stored(server: Running, url: str) -> str:
    """Start a crawl and return its id once some of it is stored."""
    async with httpx.AsyncClient(base_url=server.address, timeout=120) as client:
        started = (await client.post("/api/knowledge-items/crawl", json={"url": url})).json()
        async with client.stream("GET", f"/api/progress/{started['progressId']}/events") as events:
            async for line in events.aiter_lines():
                if line.startswith("data:") and json.loads(line[5:])["outcome"]["pages_stored"] >= 2:
                    break
    return str(started["progressId"])


async def last_state(server: Running, progress_id: str) -> dict[str, JsonValue]:
    """The state in which the work ended."""
    async with httpx.AsyncClient(base_url=server.address, timeout=120) as client:
        return events_of((await client.get(f"/api/progress/{progress_id}/events")).text)[-1][1]
