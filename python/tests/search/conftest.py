"""Fixtures of search: a filled store and a service over it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from src.inference.models import Embedder
from src.search.query import SearchService
from src.store.postgres import PostgresDatabase

from .shelf import PAGES, WireEmbedder, fill


def giving(embedder: Embedder) -> Callable[[], Awaitable[Embedder]]:
    """A factory that gives `embedder`."""

    async def give() -> Embedder:
        return embedder

    return give


@pytest.fixture
def embedder(vllm_embedding_url: str) -> WireEmbedder:
    """A real embedding model."""
    return WireEmbedder(vllm_embedding_url)


@pytest.fixture
async def space(database: PostgresDatabase, database_url: str, embedder: WireEmbedder) -> int:
    """The id of a space in which `PAGES` are stored."""
    return await fill(database_url, database, embedder, PAGES)


@pytest.fixture
def service(database: PostgresDatabase, embedder: WireEmbedder) -> SearchService:
    """A search over the test's database."""
    return SearchService(database, giving(embedder))
