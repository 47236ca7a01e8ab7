"""The server as a process of its own, with its own embedded Postgres."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from src.store.embedded import EmbeddedPostgres

from .process import Running, open_data_dir, serving_process, start

IDLE_MB = 250
PORT_OPEN_S = 3.0


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
    took = time.perf_counter() - running.started_s
    assert (starting.json()["ready"], starting.json()["checks"][0]["name"]) == (False, "database")
    assert took < PORT_OPEN_S


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
