"""The commands of the docs: every line of their shell blocks, and what becomes of it in the tests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from src.config import REPOSITORY

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.S | re.M)
_ASSIGNED = re.compile(r"^[A-Z_]+=")
NOT_RUN = {
    "docker": "needs a container engine; scripts/containers.py checks the compose file and runs the images' lines",
    "vllm": "needs a GPU of that size; the tests run vLLM's CPU build with small models",
    "claude": "another vendor's program, which is not installed here; the tests connect as it would",
    "curl": "the gateway that it asks is asked in tests/gateway",
}
"""Programs of which no line is run here, and why."""
ELSEWHERE = {
    "crawl": "tests/server/test_command_line.py",
    "upload": "tests/server/test_command_line.py",
    "search": "tests/server/test_command_line.py",
    "chat": "tests/server/test_command_line.py",
}
"""Subcommands of archon that are run against a server, and where; here their arguments are parsed."""
SHELL = ("cp", "echo")
"""Programs that are run in an empty folder as they stand."""
SETTINGS_ONLY = "settings"
"""A line that only sets variables."""


@dataclass(frozen=True)
class Command:
    """One line: where it stands, the variables before it, the program and its arguments."""

    place: str
    line: str
    values: dict[str, str]
    program: str
    arguments: tuple[str, ...]


def documented() -> list[Command]:
    """Every command line of README, CONTRIBUTING and docs, in their order."""
    files = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    return [command for file in files for block in blocks(file) for command in _commands(file, block)]


def blocks(file: Path) -> list[str]:
    """The shell blocks of a page."""
    return _BLOCK.findall(file.read_text(encoding="utf-8"))


def _commands(file: Path, block: str) -> Iterator[Command]:
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        while words and (_ASSIGNED.match(words[0]) or words[0] == "export"):
            words = words[1:]
        values = dict(word.split("=", 1) for word in shlex.split(line, comments=True) if _ASSIGNED.match(word))
        program = Path(words[0]).name if words else SETTINGS_ONLY
        yield Command(str(file.relative_to(REPOSITORY)), line.strip(), values, program, tuple(words[1:]))
