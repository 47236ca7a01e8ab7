"""How much of the machine's memory the embedded Postgres keeps pages in."""

from __future__ import annotations

from pathlib import Path

import psutil

_SHARE = 8
"""Model servers live on the same machine, and what Postgres keeps for itself the system cannot lend to others."""
_LEAST_MB, _MOST_MB = 128, 4096
_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def page_cache_mb(limits: tuple[Path, ...] = _CONTAINER_LIMITS) -> int:
    """Megabytes for `shared_buffers`: an eighth of what this machine, or the container around it, has; 128 to 4,096.

    Only what is read is taken. With Postgres' own 128 MB a hybrid search in 100,000 chunks takes twice as long: the
    vectors' index and the texts push each other out.
    """
    whole = min([psutil.virtual_memory().total, *(limit for path in limits if (limit := _limit(path)))])
    return max(_LEAST_MB, min(whole // (_SHARE * 1024**2), _MOST_MB))


def _limit(path: Path) -> int | None:
    """The bytes that a control group may have; None where there is none, or no limit."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
