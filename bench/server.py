"""The server by itself: seconds from its start until it is ready, and its memory when nobody asks anything.

    python bench/server.py [--quick]

It is started as `archon up` starts it, as a program of its own over a migrated database that already runs. Ready is
when `GET /health` says so: then every room is open. Memory is the resident set of the server and of its child
processes (not of Postgres) after it was left alone. Wanted: ready within 3 s, at most 250 MB.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import httpx
import psutil
from _measure import PAIRS, REPOSITORY, circumstances, spread, verdict
from _parts import database_url

from src.cli.ports import free_port

READY_S, IDLE_MB = 3.0, 250.0
IDLE_FOR_S = 2.0
PATIENCE_S = 60.0


def main() -> int:
    """Measure and print; 0 when it ran."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    print(circumstances())
    seconds, megabytes = [], []
    with database_url() as database:
        _once(database)
        for _ in range(2 if quick else PAIRS):
            ready, memory = _once(database)
            seconds.append(ready)
            megabytes.append(memory)
    print(f"ready   {spread(seconds, 's')}")
    print(verdict("ready  ", seconds, READY_S, at_most=True, unit=" s"))
    print(f"memory  {spread(megabytes, 'MB')}")
    print(verdict("memory ", megabytes, IDLE_MB, at_most=True, unit=" MB"))
    return 0


def _once(database: str) -> tuple[float, float]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "DATABASE_URL": database,
            "ARCHON_DATA_DIR": folder,
            "ARCHON_SERVER_PORT": str(port),
            "LOG_LEVEL": "warning",
        }
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "src.server.main"], cwd=REPOSITORY / "python", env=environment
        ) as process:
            try:
                _wait_until_ready(process, f"http://127.0.0.1:{port}/health")
                ready = time.perf_counter() - started
                time.sleep(IDLE_FOR_S)
                return ready, _memory_mb(process.pid)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            answer = httpx.get(url, timeout=2)
            if answer.status_code == httpx.codes.OK and answer.json().get("ready"):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"the server was not ready within {PATIENCE_S:g} s")


def _memory_mb(pid: int) -> float:
    whole = psutil.Process(pid)
    return sum(one.memory_info().rss for one in (whole, *whole.children(recursive=True))) / 1e6


if __name__ == "__main__":
    sys.exit(main())
