"""Archon v1's data in this very database: what is there, taking its vectors over, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

import psycopg

from src.errors import ErrorContext, redact_url

from . import columns
from .columns import need
from .database import Database, Row
from .failures import ours

Kind: TypeAlias = Literal["chunk", "example"]
KINDS: tuple[Kind, ...] = ("chunk", "example")
BATCH = 2_000
"""Rows taken over in one transaction: half a second of work, far below any statement's time-out."""
_FILE = "0000_archon_v1.sql"
_CHANGES = "-- ---------------------------------------------------------------- changes"
"""From this line on the file changes something; what stands before it only looks."""


@dataclass(frozen=True, slots=True)
class V1Vectors:
    """How many rows of a table v1 embedded with one model; `dimensions` None are rows without a vector."""

    table: str
    model: str | None
    dimensions: int | None
    count: int


@dataclass(frozen=True, slots=True)
class V1Overview:
    """What a database of v1 holds. `level` is the last of v1's steps that left its mark, '000' to '011'."""

    level: str
    counts: Mapping[str, int]
    secrets: int
    vectors: tuple[V1Vectors, ...]


@dataclass(frozen=True, slots=True)
class V1State:
    """How far taking over is. `pending` counts rows of v1 not looked at, `indexes` those of v1's still to be made."""

    level: str
    pending: int
    taken_at: datetime | None
    retired_at: datetime | None
    indexes: int
    secrets_left: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        """Whether all of v1's vectors are in their spaces, or v1 was given up."""
        return self.retired_at is not None or (self.taken_at is not None and not self.pending)


@dataclass(frozen=True, slots=True)
class Taken:
    """A space that took vectors of v1, and what it holds now."""

    model: str
    dimensions: int
    space_id: int
    chunks: int
    examples: int


async def state(database: Database) -> V1State | None:
    """How far it is; None where v1 never was. Raises StoreError, MigrationNeeded."""
    rows = await database.call("archon_v1_state")
    return _state(rows[0]) if rows else None


async def take(database: Database, kind: Kind, *, fallback_model: str, rows: int = BATCH) -> tuple[int, int]:
    """Take the next `rows` over; how many were seen (0 at the end) and how many vectors written. Raises StoreError."""
    row = (await database.call("archon_v1_take", kind=kind, row_limit=rows, fallback_model=fallback_model))[0]
    return columns.number(row, "seen"), columns.number(row, "taken")


async def finish(database: Database) -> None:
    """Make v1's pages and spaces usable, once all vectors are taken. Raises StoreError."""
    await database.call("archon_v1_finish")


async def taken(database: Database) -> list[Taken]:
    """Every space that took vectors. Raises StoreError."""
    return [
        Taken(
            model=columns.text(row, "model"),
            dimensions=columns.number(row, "size"),
            space_id=columns.number(row, "space_id"),
            chunks=columns.number(row, "chunks"),
            examples=columns.number(row, "examples"),
        )
        for row in await database.call("archon_v1_taken")
    ]


async def missing(database: Database) -> int:
    """Rows of v1 that were looked at and have no vector. Raises StoreError."""
    return need((await database.call("archon_v1_missing"))[0], "archon_v1_missing", int)


async def retire(database: Database) -> tuple[str, ...]:
    """Blank v1's ciphertexts that ours replace; the keys of those that ours do not. Raises StoreError."""
    return columns.texts((await database.call("archon_v1_retire"))[0], "archon_v1_retire")


async def overview(database: Database) -> V1Overview | None:
    """What v1 has here; None where v1 never was. Raises StoreError, MigrationNeeded."""
    rows = await database.call("archon_v1_overview")
    return _overview(rows[0]["archon_v1_overview"])


async def overview_before(url: str, folder: Path) -> V1Overview | None:
    """What v1 has at `url`, before anything of ours is there; nothing is changed.

    Raises:
        StoreError: the database cannot be reached or read.
    """
    looking = (folder / _FILE).read_text(encoding="utf-8").partition(_CHANGES)[0]
    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as connection:
            await connection.execute(looking)
            row = await (await connection.execute("select archon_v1_overview()")).fetchone()
            await connection.rollback()
    except psycopg.Error as error:
        raise ours(error, ErrorContext(operation="look at Archon v1", url=redact_url(url))) from error
    return _overview(row[0] if row else None)


def _overview(found: object) -> V1Overview | None:
    if not isinstance(found, Mapping) or not found.get("found"):
        return None
    row: Row = found
    counts = columns.json_object(row, "counts")
    listed = row["vectors"] if isinstance(row["vectors"], list) else []
    return V1Overview(
        level=columns.text(row, "level"),
        counts={table: int(str(count)) for table, count in counts.items()},
        secrets=columns.number(row, "secrets"),
        vectors=tuple(
            V1Vectors(
                table=columns.text(item, "owner"),
                model=columns.optional_text(item, "model"),
                dimensions=columns.optional_number(item, "size"),
                count=columns.number(item, "found"),
            )
            for item in listed
        ),
    )


def _state(row: Row) -> V1State:
    return V1State(
        level=columns.text(row, "level"),
        pending=columns.number(row, "pending"),
        taken_at=columns.optional_moment(row, "taken_at"),
        retired_at=columns.optional_moment(row, "retired_at"),
        indexes=columns.number(row, "indexes"),
        secrets_left=columns.texts(row, "secrets_left"),
    )
