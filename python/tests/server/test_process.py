"""The server as a process of its own, with its own embedded Postgres."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from src.config import REPOSITORY
from src.store.embedded import EmbeddedPostgres

IDLE_MB = 250
PORT_OPEN_S = 3.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server process."""

    process: asyncio.subprocess.Process
    address: str
    data_dir: Path
    started_s: float

    @property
    def resident_mb(self) -> float:
        """Its resident memory in megabytes, as the kernel counts it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024

    async def answers(self, path: str, status: int) -> httpx.Response:
        """The first answer with that status; asks again until then."""
        async with httpx.AsyncClient(base_url=self.address) as client, asyncio.timeout(60):
            while True:
                try:
                    answer = await client.get(path)
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
                    continue
                if answer.status_code == status:
                    return answer


async def start(data_dir: Path, port: int, **values: str) -> Running:
    """Start `python -m src.server.main` with nothing but these variables."""
    environment = {
        "PATH": os.environ["PATH"],
        "ARCHON_DATA_DIR": str(data_dir),
        "ARCHON_SERVER_PORT": str(port),
        "DATABASE_URL": "",
        "VLLM_BASE_URL": "",
    }
    # A file, not a pipe: asyncio's wait() would also wait for the pipe, which Postgres inherits.
    with (data_dir / "server.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "src.server.main"),
            cwd=REPOSITORY / "python",
            env=environment | values,
            stdout=log,
            stderr=log,
        )
    return Running(process, f"http://127.0.0.1:{port}", data_dir, time.perf_counter())


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # pytest's own temporary folders are closed to the user that runs Postgres in place of root.
    folder = Path(tempfile.mkdtemp(prefix="archon-server-"))
    folder.chmod(0o711)
    yield folder
    EmbeddedPostgres(folder / "postgres").stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def running(data_dir: Path, free_port: int) -> AsyncIterator[Running]:
    server = await start(data_dir, free_port)
    yield server
    if server.process.returncode is None:
        server.process.kill()
    await server.process.wait()


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
