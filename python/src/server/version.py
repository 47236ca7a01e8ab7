"""Which Archon this is."""

from __future__ import annotations

import tomllib
from functools import cache

from src.config import REPOSITORY


@cache
def version() -> str:
    """The version in pyproject.toml, its only place; 'unknown' where that file is not shipped."""
    try:
        text = (REPOSITORY / "python" / "pyproject.toml").read_text(encoding="utf-8")
    except FileNotFoundError:
        return "unknown"
    return str(tomllib.loads(text)["project"]["version"])
