"""Installing: a Python that is too old is a sentence; what fails puts back what was there."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from src.config import REPOSITORY

SCRIPTS = REPOSITORY / "scripts"


@pytest.fixture
def prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare", SCRIPTS / "prepare.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_good_python_it_says_what_to_install() -> None:
    values = {"PATH": os.defpath, "ARCHON_PYTHON": "/bin/false"}
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "bootstrap.py"), "up"], env=values, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Archon needs Python 3.11 or newer" in done.stderr
    assert "apt-get install python3" in done.stderr


def test_what_fails_puts_back_the_former_folder(prepare: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    folder.mkdir()
    (folder / "former").write_text("whole")

    def half_an_installation() -> None:
        with prepare.replaced(folder):
            folder.mkdir()
            (folder / "half").write_text("")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_an_installation()
    assert [path.name for path in tmp_path.rglob("*")] == ["environment", "former"]


def test_a_failed_command_shows_its_last_lines(prepare: ModuleType) -> None:
    code = "print('cause'); [print(n) for n in range(50)]; print('end'); raise SystemExit(4)"
    with pytest.raises(prepare.StepFailed, match="ended with code 4") as caught:
        prepare.run([sys.executable, "-c", code], next_step="Do this.")
    assert caught.value.tail.splitlines()[0] == "cause"
    assert caught.value.tail.splitlines()[-1] == "end"
    assert caught.value.next_step == "Do this."


def test_every_variable_that_is_read_stands_in_the_example() -> None:
    source = (REPOSITORY / "python" / "src" / "config" / "environment.py").read_text()
    read = set(re.findall(r'\(values, "([A-Z_]+)"', source)) - {"SUPABASE_URL"}
    example = (REPOSITORY / ".env.example").read_text()
    assert sorted(name for name in read if f"# {name}=" not in example) == []


def test_no_file_of_the_locks_names_an_index() -> None:
    locks = [*(REPOSITORY / "python").glob("requirements*.txt"), SCRIPTS / "node.txt", SCRIPTS / "local-models.txt"]
    assert [
        lock.name for lock in locks if re.search(r"https?://(?!127|localhost|tools\.|host)", lock.read_text())
    ] == []
