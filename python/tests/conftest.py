"""Fixtures for every test: real parts, started on first use and stopped at the end of the session."""

from __future__ import annotations

import os

import pytest
import structlog
from hypothesis import settings

# The same examples every time, so that a run says something about the change; ARCHON_TEST_EXPLORE=1 looks further.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("ARCHON_TEST_EXPLORE") else "steady")

# The default shows the locals of every frame, and takes minutes where they are large.
_console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _console])

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.database",
    "tests.fixtures.site",
    "tests.fixtures.supabase",
    "tests.fixtures.vllm",
]

_REAL_PARTS = frozenset(
    {"postgres_url", "vllm_chat_url", "vllm_embedding_url", "chromium", "data_dir", "place", "cluster", "stage"}
)
_MODEL_SERVERS = frozenset({"vllm_chat_url", "vllm_embedding_url", "strict_vllm_url"})
_NOT_UNIT = ("integration", "real_vllm", "browser", "slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `unit` what asks for no real part, so that `make check` needs no list.

    With several workers a file's tests stay together, since they share fixtures. So do all that talk to a real model
    server: its figures are read, and two of them at once take each other's cores. These take longest and come first.
    """
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        if "chromium" in asked:
            item.add_marker("browser")
        if asked & _REAL_PARTS or any(item.get_closest_marker(name) for name in _NOT_UNIT):
            item.add_marker("integration")
        else:
            item.add_marker("unit")
        real = asked & _MODEL_SERVERS or item.get_closest_marker("real_vllm")
        item.add_marker(pytest.mark.xdist_group("vllm" if real else item.path.name))
    items.sort(key=_haste)


def _haste(item: pytest.Item) -> int:
    """0 for what has to be begun first."""
    group = item.get_closest_marker("xdist_group")
    if group is not None and group.args == ("vllm",):
        return 0
    return 1 if item.get_closest_marker("integration") else 2
