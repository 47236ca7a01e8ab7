"""Every command in the docs is one: it is run, or parsed by the program it names, or has a reason why not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import typer

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
def test_archon_takes_these_arguments(command: Command) -> None:
    group = typer.main.get_command(app)
    words = list(command.arguments)
    with group.make_context("archon", words) as context:
        while isinstance(group, click.Group):
            name, found, words = group.resolve_command(context, words)
            assert found is not None
            group, context = found, found.make_context(name, list(words), parent=context)


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
