"""Our database behind the face of Supabase's client, for exactly the tables of settings.

Code written for Archon v1 says `client.table("archon_settings").select("*").eq(…).execute()`; here that is a call
of our SQL functions, whichever Postgres is behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from src.errors import ConfigurationError
from src.store.database import Database, Json, SqlValue

from .table_calls import TableRow

_LISTS = {"archon_settings": "archon_settings_list", "archon_secrets": "archon_secrets_list"}


@dataclass(frozen=True, slots=True)
class TableResult:
    """The rows of a call, as Supabase's client wraps them."""

    data: list[dict[str, object]]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class SettingsTables:
    """The client. `execute` of its queries is a coroutine."""

    database: Database

    def table(self, name: str) -> SettingsQuery:
        """A query on `name`.

        Raises:
            ConfigurationError: it is not one of the tables of settings.
        """
        if name not in _LISTS:
            raise ConfigurationError(
                f"Table '{name}' can only be reached through Supabase.",
                next_step="Set SUPABASE_URL and SUPABASE_SERVICE_KEY, or use the functions of src.store.",
            )
        return SettingsQuery(self.database, name)

    def rpc(self, function: str, arguments: Mapping[str, SqlValue]) -> FunctionCall:
        """A call of SQL function `function`."""
        return FunctionCall(self.database, function, arguments)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """One call of a SQL function."""

    database: Database
    function: str
    arguments: Mapping[str, SqlValue]

    async def execute(self) -> TableResult:
        """Send it. Raises StoreError."""
        found = await self.database.call(self.function, **self.arguments)
        return TableResult([dict(row) for row in found])


@dataclass(slots=True)
class SettingsQuery:
    """Built step by step: `select` or `delete` with `eq`, or `upsert`."""

    database: Database
    table: str
    _action: Literal["select", "upsert", "delete"] = "select"
    _rows: list[TableRow] = field(default_factory=list)
    _equal: dict[str, object] = field(default_factory=dict)

    def select(self, columns: str = "*") -> SettingsQuery:
        """All columns, whatever `columns` says: rows here are small."""
        self._action = "select"
        return self

    def eq(self, column: str, value: object) -> SettingsQuery:
        """Only rows whose `column` is `value`."""
        self._equal[column] = value
        return self

    def upsert(self, row: TableRow | list[TableRow], on_conflict: str = "key") -> SettingsQuery:
        """Write rows, replacing those of the same key."""
        self._action = "upsert"
        self._rows = list(row) if isinstance(row, list) else [row]
        return self

    def delete(self) -> SettingsQuery:
        """Remove the rows that `eq` names by key."""
        self._action = "delete"
        return self

    async def execute(self) -> TableResult:
        """Send it.

        Raises:
            ConfigurationError: it would delete rows by anything but their key.
            StoreError: the database refused.
        """
        if self._action == "upsert":
            await self.database.call("archon_settings_save", entries=Json([dict(row) for row in self._rows]))
            return TableResult([dict(row) for row in self._rows])
        if self._action == "delete":
            if set(self._equal) != {"key"}:
                raise ConfigurationError("Settings are deleted by key only.")
            await self.database.call("archon_settings_delete", keys=[str(self._equal["key"])])
            return TableResult([])
        found = [dict(row) for row in await self.database.call(_LISTS[self.table])]
        return TableResult([row for row in found if all(row.get(c) == v for c, v in self._equal.items())])
