"""How much of the machine the embedded Postgres takes."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

_PAGES_SHARE = 4
"""Model servers live on the same machine, and what Postgres keeps for itself the system cannot lend to others."""
_PAGES_MB = (128, 8192)
_BUILD_SHARE = 16
"""Only while an index is built. One that does not fit takes many times as long."""
_BUILD_MB = (256, 2048)
_CLEANING_MB = 64
_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def postgres_settings(limits: tuple[Path, ...] = _CONTAINER_LIMITS, cores: int | None = None) -> dict[str, str]:
    """Settings of Postgres for this machine, or for the container around it.

    `shared_buffers`: a quarter of the memory, 128 MB to 8 GB. Only what is read is taken. With Postgres' own 128 MB a
    hybrid search in 100,000 chunks takes twice as long: the vectors' index and the texts push each other out.
    `maintenance_work_mem`: a sixteenth, 256 MB to 2 GB. An index is built by less than half of the cores: somebody
    searches meanwhile.
    """
    whole = min([psutil.virtual_memory().total, *(limit for path in limits if (limit := _limit(path)))])
    helpers = (cores or os.cpu_count() or 1) // 2 - 1
    return {
        "shared_buffers": _share(whole, _PAGES_SHARE, *_PAGES_MB),
        "maintenance_work_mem": _share(whole, _BUILD_SHARE, *_BUILD_MB),
        "autovacuum_work_mem": f"{_CLEANING_MB}MB",
        "max_parallel_maintenance_workers": str(max(0, helpers)),
    }


def _share(whole: int, share: int, least_mb: int, most_mb: int) -> str:
    return f"{max(least_mb, min(whole // (share * 1024**2), most_mb))}MB"


def _limit(path: Path) -> int | None:
    """The bytes that a control group may have; None where there is none, or no limit."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
