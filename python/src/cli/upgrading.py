"""What `archon migrate` does: the schema first, then Archon v1's data; the indexes are left to the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from src.config import Environment
from src.errors import Conflict, JsonValue
from src.store import indexes, v1
from src.store.database import Database
from src.store.migrate import SchemaState, require_known
from src.store.place import StorePlace
from src.store.supabase_access import SETUP_STEP

from .takeover import Say, build_indexes, described, look, reported, take_over, waiting

RETIRE_QUESTION = (
    "Archon v1 will not be able to read its secrets from this database any more, and cannot be asked to. Go on?"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to print: for people, and as JSON."""

    lines: tuple[str, ...]
    body: Mapping[str, JsonValue]


async def plan(place: StorePlace) -> Outcome:
    """What is applied, what is pending, and what would become of v1's data. Changes nothing.

    Raises:
        StoreError, MigrationNeeded, ConfigurationError: the database cannot be looked at, or is newer.
    """
    schema = await place.schema_state()
    require_known(schema)
    names = [file.path.name for file in schema.pending]
    lines = [_count(schema), *(f"  pending: {name}" for name in names)]
    if names and place.kind == "supabase":
        lines.append(SETUP_STEP)
    body: dict[str, JsonValue] = {
        "applied": [row.version for row in schema.applied if row.is_ours],
        "pending": list(names),
    }
    found = await look(place)
    if found is not None:
        waiting = await _waiting(place, schema)
        lines += described(found)
        if waiting is not None:
            lines.append(_standing(waiting))
        body["archon_v1"] = _as_json(found, waiting)
    return Outcome(tuple(lines), body)


async def upgrade(
    place: StorePlace, environment: Environment, *, retire: bool, say: Say, build: bool = False
) -> Outcome:
    """Apply what is pending, take over v1's data; with `build`, build the indexes that were put off.

    Raises:
        StoreError, MigrationNeeded, ConfigurationError: it went no further; run again, it goes on from there.
        Conflict: v1 is to be retired, but not all of it was taken over.
    """
    applied = [migration.path.name for migration in await place.bring_up_to_date()]
    lines = [f"Applied: {', '.join(applied)}" if applied else "The schema is up to date."]
    body: dict[str, JsonValue] = {"applied": list(applied)}
    async with place.opened() as database:
        done = await take_over(database, environment, say)
        if done is not None:
            lines += reported(done)
            body["archon_v1"] = done.public()
            await indexes.put_off(database)
        if build:
            body["indexes_built"] = await build_indexes(database, say)
        left = await indexes.left(database)
        lines += waiting(left)
        body["indexes_waiting"] = left.ours + left.of_v1
        if retire:
            kept = await _retire(database)
            body["retired"], body["kept_secrets"] = True, list(kept)
            lines.append("Archon v1 is retired: its texts of the secrets are gone.")
            if kept:
                lines.append(f"  Kept, because we have no copy of our own: {', '.join(kept)}")
    return Outcome(tuple(lines), body)


async def _retire(database: Database) -> tuple[str, ...]:
    state = await v1.state(database)
    if state is None or not state.is_done:
        raise Conflict(
            "There is no Archon v1 in this database that was taken over.",
            next_step="Set DATABASE_URL to the database of Archon v1 and run `archon migrate` first.",
        )
    return await v1.retire(database)


async def _waiting(place: StorePlace, schema: SchemaState) -> v1.V1State | None:
    if schema.pending:
        return None
    async with place.opened() as database:
        return await v1.state(database)


def _count(schema: SchemaState) -> str:
    done = len(schema.files) - len(schema.pending)
    return f"{done} of {len(schema.files)} migrations are applied."


def _standing(state: v1.V1State) -> str:
    if state.retired_at is not None:
        return f"  Archon v1 was retired on {state.retired_at:%Y-%m-%d}."
    if state.is_done:
        return "  All of it is taken over."
    return f"  {state.pending:,} rows are still to be taken over: run `archon migrate`."


def _as_json(found: v1.V1Overview, state: v1.V1State | None) -> dict[str, JsonValue]:
    return {
        "level": found.level,
        "counts": dict(found.counts),
        "secrets": found.secrets,
        "vectors": [
            {"table": item.table, "model": item.model, "dimensions": item.dimensions, "count": item.count}
            for item in found.vectors
        ],
        "pending": state.pending if state else None,
        "taken_over": state.is_done if state else False,
    }
