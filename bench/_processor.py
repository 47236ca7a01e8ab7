"""Whose processor time it was: on a busy machine the clock shows the others', this shows one's own."""

from __future__ import annotations

import resource
from pathlib import Path

import psutil
import psycopg


def own_s() -> float:
    """Seconds of processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def postgres_s(postmaster: int) -> float:
    """Seconds of processor time of a Postgres so far, with those of its processes that ended."""
    server = psutil.Process(postmaster)
    return sum(sum(process.cpu_times()[:2]) for process in server.children()) + sum(server.cpu_times()[:4])


def node_s() -> float:
    """Seconds of processor time so far of the node programs that this process started."""
    nodes = [process for process in psutil.Process().children(recursive=True) if process.name() == "node"]
    return sum(sum(process.cpu_times()[:2]) for process in nodes)


def postmaster_of(url: str) -> int:
    """The process of the Postgres behind `url`, on this machine."""
    with psycopg.connect(url) as connection:
        row = connection.execute("show data_directory").fetchone()
    if row is None:
        raise SystemExit("Postgres names no folder of its own")
    return int((Path(row[0]) / "postmaster.pid").read_text().split("\n", 1)[0])
