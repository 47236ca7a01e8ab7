"""Every command in the docs is one: it is run, or parsed by the program it names, or has a reason why not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from src.cli.main import app
from src.config import REPOSITORY

from .commands import NOT_RUN, SETTINGS_ONLY, SHELL, Command, documented

COMMANDS = documented()
_KNOWN = {"archon", "make", SETTINGS_ONLY, *SHELL, *NOT_RUN}


def _of(*programs: str) -> list[object]:
    return [pytest.param(one, id=one.line) for one in COMMANDS if one.program in programs]


def test_every_command_is_run_or_has_a_reason_why_not() -> None:
    assert {one.program: one.place for one in COMMANDS if one.program not in _KNOWN} == {}


@pytest.mark.parametrize("command", _of("archon"))
def test_archon_takes_these_arguments(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in re.findall(r"\b\w+\.(?:md|pdf)\b", command.line):
        (tmp_path / name).touch()
    found: object = typer.main.get_command(app)
    context, words = None, list(command.arguments)
    while isinstance(found, TyperGroup):
        context = found.make_context(words[0], words[:1], parent=context, resilient_parsing=True)
        _, found, words = found.resolve_command(context, words)
    assert isinstance(found, TyperCommand)
    found.make_context(command.arguments[0], words, parent=context)


@pytest.mark.parametrize("command", _of("make"))
def test_make_knows_the_target(command: Command) -> None:
    told = subprocess.run(
        ["make", "--dry-run", *command.arguments],
        cwd=REPOSITORY, env=os.environ | command.values, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("command", _of(*SHELL))
def test_shell_lines_do_what_they_say(command: Command, tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    subprocess.run(["bash", "-euc", command.line], cwd=tmp_path, check=True)
    assert (tmp_path / ".env").stat().st_size > 40


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.values], ids=lambda one: one.line)
def test_variables_that_are_set_are_known(command: Command) -> None:
    known = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    assert command.values.keys() - known == set()
