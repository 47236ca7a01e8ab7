"""Fixtures for every test: real parts, started on first use and stopped at the end of the session."""

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.database",
    "tests.fixtures.site",
    "tests.fixtures.vllm",
]
