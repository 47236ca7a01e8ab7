"""The schema's state where only functions can be called: what is pending there is applied by a person."""

from __future__ import annotations

from pathlib import Path

from src.errors import MigrationNeeded

from . import columns
from .database import Database, Row
from .migrate import Applied, SchemaState, available, require_known
from .supabase_access import SETUP_STEP


async def applied_in(database: Database) -> list[Applied]:
    """All rows of `archon_migrations`, Archon v1's too. Raises StoreError, MigrationNeeded."""
    return [_applied(row) for row in await database.call("archon_migrations_applied")]


async def schema_state_of(database: Database, folder: Path) -> SchemaState:
    """What is applied and what of `folder` is pending. Raises StoreError, MigrationNeeded."""
    return SchemaState(tuple(available(folder)), tuple(await applied_in(database)))


async def require_schema(database: Database, folder: Path) -> None:
    """Pass when the schema is this program's.

    Raises:
        MigrationNeeded: files are pending, named in the message, or the schema is newer.
        StoreError: the database did not answer.
    """
    state = await schema_state_of(database, folder)
    require_known(state)
    if state.pending:
        names = ", ".join(migration.path.name for migration in state.pending)
        raise MigrationNeeded(f"The Supabase project lacks these migrations: {names}.", next_step=SETUP_STEP)


def _applied(row: Row) -> Applied:
    return Applied(
        version=columns.text(row, "version"),
        name=columns.text(row, "migration_name"),
        applied_at=columns.moment(row, "applied_at"),
        checksum=columns.optional_text(row, "checksum"),
    )
