"""The commands of the pages about moving and backups, run as they stand on a database of Archon v1."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from src.cli.main import app
from tests.fixtures import v1_database
from tests.fixtures.v1_database import SERVICE_KEY, V1Chunk
from tests.house.commands import documented

Run = Callable[..., Result]


def _lines(page: str, *starts: str) -> list[tuple[str, ...]]:
    found = [one.arguments for one in documented() if one.place == page and one.program == "archon"]
    return [words for words in found if words[0] in starts]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `archon …` on the database at `url`, in a folder of its own, and answers every question with yes."""
    monkeypatch.chdir(tmp_path)

    def run(url: str, *words: str) -> Result:
        values = {"DATABASE_URL": url, "SUPABASE_SERVICE_KEY": SERVICE_KEY, "ARCHON_DATA_DIR": str(tmp_path)}
        result = CliRunner().invoke(app, list(words), env=values, input="y\n")
        assert result.exit_code == 0, f"archon {shlex.join(words)}: {result.output}"
        return result

    return run


def test_moving_from_v1_goes_as_its_page_says(run: Run, empty_database_url: str) -> None:
    v1_database.build(empty_database_url)
    v1_database.fill(empty_database_url, [V1Chunk("https://v1.test/1", 0, "passage", [1.0] + [0.0] * 383, "m")])
    commands = _lines("docs/operate/moving-from-v1.md", "migrate")
    said = [run(empty_database_url, *words).output for words in commands]
    assert [words[1:] for words in commands] == [("--dry-run",), (), ("--retire-v1",)]
    assert "1 chunks of m, 384 dimensions" in said[0]
    assert "1 vectors taken over" in said[1]
    assert "Archon v1 is retired" in said[2]


def test_backup_restore_and_move_go_as_their_page_says(run: Run, database_url: str, other_database_url: str) -> None:
    commands = _lines("docs/operate/backup.md", "backup", "restore", "move")
    for words in commands:
        run(database_url, *(other_database_url if word.startswith("postgresql://") else word for word in words))
    assert [words[0] for words in commands] == ["backup", "restore", "restore", "move"]
