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

_REAL_PARTS = frozenset({"postgres_url", "vllm_chat_url", "vllm_embedding_url", "chromium"})
_NOT_UNIT = ("integration", "real_vllm", "browser", "slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `unit` what asks for no real part, so that `make check` needs no list; tests in a browser come last."""
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        if "chromium" in asked:
            item.add_marker("browser")
        if asked & _REAL_PARTS or any(item.get_closest_marker(name) for name in _NOT_UNIT):
            item.add_marker("integration")
        else:
            item.add_marker("unit")
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
