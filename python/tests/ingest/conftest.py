"""A site, and a fetcher that may visit it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from src.ingest.fetch import Fetcher, FetchPolicy, open_fetcher

from .site import Site, running_site

LOCAL = FetchPolicy(allow_private=True, max_bytes=1_000_000, backoff_s=0.01, idle_s=1.0, total_s=5.0, max_wait_s=2.0)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running_site() as running:
        yield running


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    async with open_fetcher(LOCAL) as opened:
        yield opened
