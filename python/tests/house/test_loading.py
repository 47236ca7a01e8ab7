"""What the server does not load before it is ready: each costs start time and memory, mostly for nothing."""

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
LOADED = "import sys, src.server.main; print(*sys.modules)"


def test_the_server_starts_without_what_only_some_requests_need() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=REPOSITORY / "python", capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "src.server.composition" in loaded
    assert [name for name in LATER if name in loaded] == []
