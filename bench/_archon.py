"""A server of the product as a program of its own, over a database and a chat server that are given."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from _measure import REPOSITORY

from src.cli.ports import free_port
from src.inference.provider import url_field
from src.inference.registry import load_registry
from src.settings import PROVIDER_KEYS

PATIENCE_S = 120.0


@dataclass(frozen=True)
class Archon:
    """A running server."""

    url: str
    pid: int

    @property
    def resident_mb(self) -> float:
        """Its resident memory in megabytes."""
        return float(psutil.Process(self.pid).memory_info().rss) / 1e6

    @property
    def worked_s(self) -> float:
        """Seconds of processor time it took so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def archon(database: str, chat_url: str, embedding_url: str | None = None) -> Iterator[Archon]:
    """The server, ready, with one's own chat server at `chat_url`; gone afterwards.

    `embedding_url`: one's own embedding server, where it is another one. Sites on loopback may be crawled.
    """
    provider = next(one for one in load_registry().all() if one.local and not one.keeps_v1_wire)
    address, embedding = url_field(provider, "llm"), url_field(provider, "embedding")
    assert address is not None
    assert embedding is not None
    chosen = {PROVIDER_KEYS["llm"]: provider.id, PROVIDER_KEYS["embedding"]: provider.id, address.key: chat_url}
    chosen |= {embedding.key: embedding_url} if embedding_url else {}
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "server.log").open("wb") as log:
        own = {
            "DATABASE_URL": database,
            "ARCHON_DATA_DIR": folder,
            "ARCHON_SERVER_PORT": str(port),
            "ARCHON_ALLOW_PRIVATE_ADDRESSES": "true",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "src.server.main"],
            cwd=REPOSITORY / "python",
            env={**os.environ, **chosen, **own},
            stdout=log,
            stderr=log,
        ) as process:
            try:
                url = f"http://127.0.0.1:{port}"
                _wait_until_ready(process, f"{url}/health")
                yield Archon(url, process.pid)
            finally:
                process.terminate()
                process.wait(30)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"the server was not ready within {PATIENCE_S:g} s")
