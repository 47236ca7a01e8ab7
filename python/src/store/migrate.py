"""Numbered, forward-only migrations, tracked in `archon_migrations`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.rows import class_row

from src.errors import ErrorContext, MigrationNeeded, StoreError, StoreUnavailable, redact_url

from .postgres import MIN_VECTOR_VERSION

_LOCK = 0x41524348
"""Advisory lock number: two processes that start at once must not both migrate."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `version` is its number, `name` the rest of its file name."""

    version: str
    name: str
    path: Path

    @property
    def sql(self) -> str:
        """The file's text."""
        return self.path.read_text(encoding="utf-8")

    @property
    def checksum(self) -> str:
        """MD5 of the text, as v1's table keeps it (32 characters)."""
        return hashlib.md5(self.sql.encode(), usedforsecurity=False).hexdigest()


def available(folder: Path) -> list[Migration]:
    """All migrations in `folder` (`NNNN_name.sql`), in their order."""
    found = []
    for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql")):
        version, _, name = path.stem.partition("_")
        found.append(Migration(version, name, path))
    return found


@dataclass(frozen=True, slots=True)
class Applied:
    """A row of `archon_migrations`. Archon v1's rows have a version with dots."""

    version: str
    name: str
    applied_at: datetime
    checksum: str | None

    @property
    def is_ours(self) -> bool:
        """Whether a file of `migration/` made it."""
        return re.fullmatch(r"\d{4}", self.version) is not None


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The files of this program, and what a database has."""

    files: tuple[Migration, ...]
    applied: tuple[Applied, ...]

    @property
    def pending(self) -> tuple[Migration, ...]:
        """Files that the database has not seen, in their order."""
        done = {row.version for row in self.applied}
        return tuple(file for file in self.files if file.version not in done)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Versions of ours that this program has no file for: a newer one made them."""
        known = {file.version for file in self.files}
        return tuple(sorted(row.version for row in self.applied if row.is_ours and row.version not in known))


def require_known(state: SchemaState) -> None:
    """Pass when no newer program migrated this database. Raises MigrationNeeded."""
    if state.unknown:
        raise MigrationNeeded(
            f"The database has migrations that this version does not know: {', '.join(state.unknown)}.",
            next_step="Start the newer version of Archon that made them.",
        )


async def applied(url: str) -> list[str]:
    """Versions of ours that the database at `url` has. Raises StoreUnavailable."""
    connection = await _connect(url)
    async with connection:
        return [row.version for row in await _applied(connection) if row.is_ours]


async def schema_state_at(url: str, folder: Path) -> SchemaState:
    """What the database at `url` has and lacks of `folder`. Raises StoreUnavailable."""
    connection = await _connect(url)
    async with connection:
        return SchemaState(tuple(available(folder)), tuple(await _applied(connection)))


async def migrate(url: str, folder: Path) -> list[Migration]:
    """Apply what is pending, each file in a transaction of its own; returns what was applied.

    Raises:
        StoreUnavailable: nothing answers at `url`.
        MigrationNeeded: the database is newer than this program, or its pgvector is too old.
        StoreError: a migration failed; what came before it is kept, it itself left nothing.
    """
    migrations = available(folder)
    connection = await _connect(url)
    async with connection:
        # Writing a large table anew takes minutes; a project of Supabase ends statements after two.
        await connection.execute("set statement_timeout = 0")
        await connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        await _require_vector(connection)
        state = SchemaState(tuple(migrations), tuple(await _applied(connection)))
        require_known(state)
        for migration in state.pending:
            await _apply(connection, migration)
        if state.pending:
            await _close_to_others(connection)
        return list(state.pending)


async def _connect(url: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
    try:
        return await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise StoreUnavailable(
            "The database cannot be reached.", context=ErrorContext(operation="migrate", url=redact_url(url))
        ) from error


async def _applied(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> list[Applied]:
    cursor = await connection.execute("select to_regclass('archon_migrations') is not null")
    row = await cursor.fetchone()
    if not row or not row[0]:
        return []
    rows = connection.cursor(row_factory=class_row(Applied))
    await rows.execute(
        "select version, migration_name as name, applied_at, checksum from archon_migrations"
        " order by applied_at, version, migration_name"
    )
    return await rows.fetchall()


async def _apply(connection: psycopg.AsyncConnection[tuple[object, ...]], migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "insert into archon_migrations (version, migration_name, checksum) values (%s, %s, %s)",
                (migration.version, migration.name, migration.checksum),
            )
    except psycopg.Error as error:
        raise StoreError(
            f"Migration {migration.path.name} failed: {error.diag.message_primary or error}",
            next_step="Nothing of it was kept. Correct the cause and run `archon migrate` again.",
        ) from error


async def _close_to_others(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    cursor = await connection.execute("select to_regproc('archon_close_to_others') is not null")
    row = await cursor.fetchone()
    if row and row[0]:
        await connection.execute("select archon_close_to_others()")


async def _require_vector(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    try:
        await connection.execute("create extension if not exists vector")
    except psycopg.Error as error:
        raise MigrationNeeded(
            "The database has no pgvector extension.",
            next_step="Install pgvector 0.8 or newer and run `create extension vector`.",
        ) from error
    cursor = await connection.execute("select extversion from pg_extension where extname = 'vector'")
    row = await cursor.fetchone()
    version = str(row[0]) if row else "0"
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_VECTOR_VERSION:
        raise MigrationNeeded(
            f"pgvector {version} is too old: 0.8 or newer is needed.", next_step="Run `alter extension vector update`."
        )
