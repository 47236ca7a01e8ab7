"""A site, and a fetcher that may visit it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from src.config import REPOSITORY
from src.ingest.fetch import Fetcher, FetchPolicy, open_fetcher
from src.ingest.service import IngestService
from src.store.embedded import EmbeddedPostgres
from src.store.migrate import migrate
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer, running

from .parts import embed_reply, open_service
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


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    """A healthy embedding server."""
    async with running() as server:
        server.on("/v1/embeddings", embed_reply())
        yield server


@pytest.fixture
async def service(database: PostgresDatabase, models: ModelServer) -> AsyncIterator[IngestService]:
    """An ingest service at work, over `database` and `models`."""
    async with open_service(database, models.url) as opened:
        yield opened


def _open_folder() -> Path:
    # pytest's own temporary folders are closed to the user that runs Postgres in place of root.
    folder = Path(tempfile.mkdtemp(prefix="archon-test-"))
    folder.chmod(0o711)
    return folder


@pytest.fixture
async def cluster() -> AsyncIterator[EmbeddedPostgres]:
    """A migrated Postgres of this test's own, which it may stop."""
    folder = _open_folder()
    made = EmbeddedPostgres(folder / "postgres")
    try:
        await migrate(await asyncio.to_thread(made.start), REPOSITORY / "migration")
        yield made
    finally:
        await asyncio.to_thread(made.stop)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def own_database(cluster: EmbeddedPostgres) -> AsyncIterator[PostgresDatabase]:
    """A connection to that Postgres."""
    connected = await PostgresDatabase.connect(await asyncio.to_thread(cluster.start))
    yield connected
    await connected.close()
