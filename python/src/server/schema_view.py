"""What is applied and pending, as `/api/migrations/*` shows it: also while the server cannot start for that reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from src.config import Environment
from src.errors import JsonValue, MigrationNeeded
from src.store import v1
from src.store.migrate import Applied, Migration, SchemaState, available
from src.store.migrate_rest import schema_state_of
from src.store.place import MIGRATIONS, place_of
from src.store.supabase_access import SETUP_STEP

from .startup import Startup
from .version import version


@dataclass(frozen=True, slots=True)
class SchemaView:
    """The schema of the store in use; `v1_pending` counts rows of Archon v1 that are not taken over."""

    state: SchemaState
    by_hand: bool
    v1_pending: int = 0

    @property
    def next_step(self) -> str | None:
        """What a person has to do; None where nothing is to be done."""
        if self.state.unknown:
            return "Start the newer version of Archon that made this schema."
        if self.state.pending:
            return SETUP_STEP if self.by_hand else "Run `archon migrate`, or start the server again: that applies it."
        return "Run `archon migrate`: it takes over what Archon v1 stored." if self.v1_pending else None

    def status(self) -> dict[str, JsonValue]:
        """The body of `/api/migrations/status`."""
        applied = [shown_applied(row) for row in self.state.applied]
        pending = self.pending()
        return {
            "pending_migrations": pending,
            "applied_migrations": list(applied),
            "has_pending": bool(pending),
            "bootstrap_required": not self.state.applied,
            "current_version": version(),
            "pending_count": len(pending),
            "applied_count": len(applied),
            "archon_v1_pending": self.v1_pending,
            "next_step": self.next_step,
        }

    def history(self) -> dict[str, JsonValue]:
        """The body of `/api/migrations/history`, newest first."""
        rows: list[JsonValue] = [shown_applied(row) for row in reversed(self.state.applied)]
        return {"migrations": rows, "total_count": len(rows), "current_version": version()}

    def pending(self) -> list[JsonValue]:
        """The body of `/api/migrations/pending`."""
        return [_shown_pending(file) for file in self.state.pending]


async def look_at_schema(startup: Startup, environment: Environment) -> SchemaView:
    """The schema as it is now.

    Raises:
        StoreUnavailable, StoreError, ConfigurationError: the store cannot be looked at.
    """
    by_hand = place_of(environment).kind == "supabase"
    rooms = startup.opened
    if rooms is not None:
        state = await schema_state_of(rooms.database, MIGRATIONS)
        found = await v1.state(rooms.database)
        return SchemaView(state, by_hand, found.pending if found and not found.retired_at else 0)
    try:
        place = await asyncio.to_thread(place_of(environment).running)
        return SchemaView(await place.schema_state(), by_hand)
    except MigrationNeeded:
        # A project that has none of our functions cannot even be asked.
        return SchemaView(SchemaState(tuple(available(MIGRATIONS)), ()), by_hand)


def shown_applied(row: Applied) -> dict[str, JsonValue]:
    """One applied migration, as v1 shows it."""
    return {
        "version": row.version,
        "migration_name": row.name,
        "applied_at": row.applied_at.isoformat(),
        "checksum": row.checksum,
    }


def _shown_pending(file: Migration) -> dict[str, JsonValue]:
    return {
        "version": file.version,
        "name": file.name,
        "sql_content": file.sql,
        "file_path": f"migration/{file.path.name}",
        "checksum": file.checksum,
    }
