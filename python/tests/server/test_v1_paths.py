"""The list of what of Archon v1's REST face is answered here, held against the application itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from src.config import REPOSITORY, load_environment
from src.server.main import create_app

LISTED: dict[str, dict[str, str]] = tomllib.loads(
    (REPOSITORY / "docs" / "reference" / "archon-v1.toml").read_text(encoding="utf-8")
)["paths"]


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder: Path = tmp_path_factory.mktemp("data")
    spec = create_app(load_environment({"ARCHON_DATA_DIR": str(folder)})).openapi()
    return {nameless(f"{method.upper()} {path}") for path, methods in spec["paths"].items() for method in methods}


def nameless(path: str) -> str:
    """What a path parameter is called does not go over the wire."""
    return re.sub(r"\{[^}]+\}", "{}", path)


@pytest.mark.parametrize("path", LISTED)
def test_each_path_is_answered_as_the_list_says(path: str, answered: set[str]) -> None:
    assert (nameless(path) in answered) == (LISTED[path]["state"] != "absent")


def test_every_difference_has_its_reason() -> None:
    unexplained = [path for path, entry in LISTED.items() if entry["state"] != "same" and not entry.get("note")]
    assert unexplained == []
    assert {entry["state"] for entry in LISTED.values()} == {"same", "differs", "absent"}
