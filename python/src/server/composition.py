"""The composition root: every room is made here and nowhere else, and given what it needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from src.config import REPOSITORY, Environment
from src.store.database import Database
from src.store.embedded import EmbeddedPostgres
from src.store.migrate import migrate
from src.store.postgres import PostgresDatabase

_log = structlog.get_logger("archon.server.composition")


@dataclass(frozen=True, slots=True)
class Rooms:
    """All that routes use."""

    environment: Environment
    database: Database


@asynccontextmanager
async def open_rooms(environment: Environment) -> AsyncIterator[Rooms]:
    """The rooms over a migrated database; closed in the opposite order.

    Raises:
        StoreUnavailable, MigrationNeeded, StoreError: the database cannot be used.
    """
    async with _database(environment) as database:
        yield Rooms(environment=environment, database=database)


@asynccontextmanager
async def _database(environment: Environment) -> AsyncIterator[Database]:
    embedded = None if environment.database_url else EmbeddedPostgres(environment.data_dir / "postgres")
    starts_it = embedded is not None and not embedded.is_running()
    try:
        url = await asyncio.to_thread(embedded.start) if embedded else str(environment.database_url)
        applied = await migrate(url, REPOSITORY / "migration")
        if applied:
            _log.info("migrated", files=[migration.path.name for migration in applied])
        database = await PostgresDatabase.connect(url, kind="embedded" if embedded else "postgres")
        try:
            yield database
        finally:
            await database.close()
    finally:
        # Whoever started it stops it: `archon up` starts it before the server and keeps it.
        if embedded is not None and starts_it:
            await asyncio.to_thread(embedded.stop)
