"""Fixtures for every test: real parts, started on first use and stopped at the end of the session."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# The same examples every time, so that a run says something about the change; ARCHON_TEST_EXPLORE=1 looks further.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("ARCHON_TEST_EXPLORE") else "steady")

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.database",
    "tests.fixtures.site",
    "tests.fixtures.supabase",
    "tests.fixtures.vllm",
]

_REAL_PARTS = frozenset(
    {"postgres_url", "vllm_chat_url", "vllm_embedding_url", "chromium", "data_dir", "place", "cluster"}
)
_NOT_UNIT = ("integration", "real_vllm", "browser", "slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `unit` what asks for no real part, so that `make check` needs no list.

    A file's tests stay together, since they share fixtures, and so do all that need the same costly server. What takes
    longest comes first: with several workers, none is left alone with it at the end.
    """
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        if "chromium" in asked:
            item.add_marker("browser")
        if asked & _REAL_PARTS or any(item.get_closest_marker(name) for name in _NOT_UNIT):
            item.add_marker("integration")
        else:
            item.add_marker("unit")
        item.add_marker(pytest.mark.xdist_group("strict" if "strict_vllm_url" in asked else item.path.name))
    items.sort(key=_haste)


def _haste(item: pytest.Item) -> int:
    marked = [name for name in ("slow", "browser", "real_vllm", "integration") if item.get_closest_marker(name)]
    return 0 if "slow" in marked else 1 if "browser" in marked else 2 if marked else 3
