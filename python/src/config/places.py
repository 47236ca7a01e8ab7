"""Where things lie on disk: the repository and the default data folder."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
"""The checkout (or the container's /app): holds `python/`, `migration/` and `archon-ui-main/`."""


def is_open_to_others(path: Path) -> bool:
    """True when every folder down to `path` can be entered by another user (Postgres never runs as root)."""
    existing = path if path.exists() else path.parent
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (existing, *existing.parents) if folder.exists())


def default_data_dir() -> Path:
    """`.archon` in the checkout; as root below a closed folder such as /root, a folder under /var/lib instead."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and not is_open_to_others(REPOSITORY):
        name = hashlib.sha256(str(REPOSITORY).encode()).hexdigest()[:12]
        return Path("/var/lib/archon") / name
    return REPOSITORY / ".archon"
