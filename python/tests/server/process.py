"""`python -m src.server.main` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from src.config import REPOSITORY
from src.store.embedded import EmbeddedPostgres


@dataclass(frozen=True, slots=True)
class Running:
    """A server process."""

    process: asyncio.subprocess.Process
    address: str
    data_dir: Path

    @property
    def resident_mb(self) -> float:
        """Its resident memory in megabytes, as the kernel counts it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024

    @property
    def worked_s(self) -> float:
        """Seconds of processor time it took so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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
    return Running(process, f"http://127.0.0.1:{port}", data_dir)


@asynccontextmanager
async def serving_process(data_dir: Path, port: int, **values: str) -> AsyncIterator[Running]:
    """A started server that is gone afterwards."""
    server = await start(data_dir, port, **values)
    try:
        yield server
    finally:
        if server.process.returncode is None:
            server.process.terminate()
        await server.process.wait()


@contextmanager
def open_data_dir() -> Iterator[Path]:
    """A data folder of one's own; its Postgres is stopped at the end."""
    # pytest's own temporary folders are closed to the user that runs Postgres in place of root.
    folder = Path(tempfile.mkdtemp(prefix="archon-server-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        EmbeddedPostgres(folder / "postgres").stop()
        shutil.rmtree(folder, ignore_errors=True)
