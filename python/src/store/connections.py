"""Rows of named model servers; a key is here only as ciphertext."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from src.errors import ErrorContext, NotFound

from .columns import maybe, moment, need
from .database import Database, Json, Row


class _Kept:
    """Marks a key that is left as it is stored."""


KEPT: Final = _Kept()
Sealed: TypeAlias = str | _Kept | None
"""A key to be written: its ciphertext, KEPT for the stored one, None for none."""
SECRET_PREFIX = "connection:"  # noqa: S105 - the beginning of a name, not a secret
"""A key is sealed under the name `connection:<id>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    """One stored connection. `timeout_s` is seconds, `sealed` the ciphertext of its key, None where it has none."""

    id: str
    name: str
    provider: str
    base_url: str | None
    model: str | None
    timeout_s: float
    max_tokens: int | None
    temperature: float | None
    is_local: bool
    is_default: bool
    updated_at: datetime
    sealed: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionEntry:
    """A connection to be written. `sealed` None removes its key, KEPT leaves it."""

    id: str
    name: str
    provider: str
    base_url: str | None
    model: str | None
    timeout_s: float
    max_tokens: int | None
    temperature: float | None
    is_local: bool
    sealed: Sealed = field(default=KEPT, repr=False)

    def as_json(self) -> dict[str, object]:
        """As the SQL function takes it: a key that is kept is left out."""
        return {name: value for name, value in asdict(self).items() if not isinstance(value, _Kept)}


class ConnectionRepository:
    """The SQL functions of connections, typed. Every method raises StoreError or a subclass of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[ConnectionRow]:
        """Every connection, oldest first."""
        return [_connection(row) for row in await self._database.call("archon_connections_list")]

    async def chosen(self) -> str | None:
        """The id of the default one; None where none is."""
        rows = await self._database.call("archon_connection_chosen")
        return need(rows[0], "id", str) if rows else None

    async def save(self, entries: Sequence[ConnectionEntry], *, most: int, fresh: bool) -> None:
        """Write all of `entries` or none; `most` is how many there may be in all.

        Raises:
            Conflict: one exists already although all were to be `fresh`.
            InvalidInput: there would be too many, or a value was refused.
        """
        await self._database.call(
            "archon_connections_save", entries=Json([entry.as_json() for entry in entries]), most=most, fresh=fresh
        )

    async def delete(self, connection_id: str) -> None:
        """Remove one with its key. Raises NotFound."""
        rows = await self._database.call("archon_connection_delete", connection=connection_id)
        if not need(rows[0], "archon_connection_delete", bool):
            raise no_connection(connection_id)

    async def make_default(self, connection_id: str | None) -> None:
        """Make one the default, None: none of them. Raises NotFound."""
        rows = await self._database.call("archon_connection_default", connection=connection_id)
        if not need(rows[0], "archon_connection_default", bool):
            raise no_connection(str(connection_id))


def no_connection(connection_id: str) -> NotFound:
    """The error for an id that no connection has (any more)."""
    return NotFound(
        f"There is no connection '{connection_id[:80]}'.",
        next_step="Choose another one; `archon connections list` and the page Connections show those there are.",
        context=ErrorContext(connection=connection_id[:80], field="connection_id"),
    )


def _connection(row: Row) -> ConnectionRow:
    return ConnectionRow(
        id=need(row, "id", str),
        name=need(row, "name", str),
        provider=need(row, "provider", str),
        base_url=maybe(row, "base_url", str),
        model=maybe(row, "model", str),
        timeout_s=_real(row, "timeout_s") or 0.0,
        max_tokens=maybe(row, "max_tokens", int),
        temperature=_real(row, "temperature"),
        is_local=need(row, "is_local", bool),
        is_default=need(row, "is_default", bool),
        updated_at=moment(row, "updated_at"),
        sealed=maybe(row, "sealed", str),
    )


def _real(row: Row, column: str) -> float | None:
    """A number that a REST face writes without its point where it is whole."""
    value = row.get(column)
    return float(value) if isinstance(value, int) else maybe(row, column, float)
