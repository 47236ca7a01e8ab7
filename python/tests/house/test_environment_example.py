"""`.env.example` names whatever can be set."""

from __future__ import annotations

import re

from src.config import REPOSITORY

KNOWN = set(re.findall(r"^# ([A-Z][A-Z0-9_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
INNER = {"ARCHON_MCP_HOST", "ARCHON_MCP_PUBLIC_PORT", "ARCHON_SERVER_HOST"}
"""What one service of the compose file tells another one."""
OTHERS = {"HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"}
"""Where other programs keep models: found, not set for us."""


def test_all_that_the_compose_file_reads_is_there() -> None:
    read = re.findall(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)", (REPOSITORY / "docker-compose.yml").read_text())
    assert set(read) - KNOWN == set()


def test_all_that_the_program_reads_of_its_environment_is_there() -> None:
    read: set[str] = set()
    for path in (REPOSITORY / "python" / "src").rglob("*.py"):
        read |= set(re.findall(r'(?:environment\.get\(|values, )"([A-Z][A-Z0-9_]*)"', path.read_text()))
    assert read - KNOWN - OTHERS == INNER
