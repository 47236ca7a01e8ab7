"""A misbehaving model server for every test that wants one, and nothing remembered from the test before."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from src.inference.discovery import forget_discoveries
from src.inference.pool import close_pool
from tests.fakes.model_server import ModelServer, running


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model server that does what it is told."""
    forget_discoveries()
    async with running() as one:
        yield one
        await close_pool()
