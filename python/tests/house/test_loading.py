"""What server and commands do not load before they are ready: each costs start time and memory, mostly for nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from src.config import REPOSITORY

pytestmark = pytest.mark.unit
LATER = [
    "html_to_markdown",
    "mammoth",
    "mcp",
    "openai",
    "playwright",
    "pydantic_ai",
    "pypdfium2",
    "python_calamine",
    "selectolax",
    "supabase",
]
SERVING = ["fastapi", "uvicorn", "aiohttp", "src.ingest.service", "src.agents.server"]
"""What only those commands need that serve or work."""


def loaded_by(module: str) -> set[str]:
    """The modules that are there once `module` is."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY / "python", capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_server_starts_without_what_only_some_requests_need() -> None:
    loaded = loaded_by("src.server.main")
    assert "src.server.composition" in loaded
    assert [name for name in LATER if name in loaded] == []


def test_a_command_starts_without_what_serves() -> None:
    loaded = loaded_by("src.cli.main")
    assert "src.cli.connections" in loaded
    assert [name for name in (*LATER, *SERVING) if name in loaded] == []
