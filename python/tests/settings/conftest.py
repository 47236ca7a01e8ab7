"""A settings service over a real database, with an environment of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from src.config import Environment, load_environment
from src.inference.registry import load_registry
from src.settings import SecretBox, SettingsService
from src.store.postgres import PostgresDatabase

MakeService: TypeAlias = Callable[..., SettingsService]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment that says nothing but where the data lie."""
    return load_environment({"ARCHON_DATA_DIR": str(tmp_path)})


@pytest.fixture
def make_service(database: PostgresDatabase, tmp_path: Path) -> MakeService:
    """Makes a service over the one database; keyword arguments are environment variables."""

    def make(**variables: str) -> SettingsService:
        environment = load_environment({"ARCHON_DATA_DIR": str(tmp_path), **variables})
        box = SecretBox.of(environment.secret_key, environment.data_dir)
        return SettingsService(database, box, environment, load_registry())

    return make


@pytest.fixture
def service(make_service: MakeService) -> SettingsService:
    """A service over an empty database and an empty environment."""
    return make_service()
