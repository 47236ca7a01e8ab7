"""Calls through a client with `.table(…)` and `.rpc(…)`: Supabase's own, ours, or a stand-in; typed failures."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

from src.errors import ErrorContext, MigrationNeeded, StoreError, StoreUnavailable
from src.store.settings_rows import SettingRow

from .credential_values import as_text

if TYPE_CHECKING:
    from postgrest.exceptions import APIError

TableRow: TypeAlias = Mapping[str, object]

_MISSING = frozenset({"42P01", "42883", "42703", "PGRST202", "PGRST205"})
"""Undefined table, function or column, as Postgres and PostgREST say it."""


class TableQuery(Protocol):
    """A call that is built step by step and sent by `execute`."""

    def select(self, columns: str = "*") -> TableQuery: ...

    def eq(self, column: str, value: object) -> TableQuery: ...

    def upsert(self, row: TableRow, on_conflict: str = "") -> TableQuery: ...

    def delete(self) -> TableQuery: ...

    def execute(self) -> object: ...


class TableClient(Protocol):
    """What of Supabase's client is used for settings."""

    def table(self, name: str) -> TableQuery: ...

    def rpc(self, function: str, arguments: TableRow) -> TableQuery: ...


async def rows(query: TableQuery) -> list[TableRow]:
    """Send `query` and give its rows; a blocking client works in a thread, so that the event loop goes on.

    Raises:
        StoreUnavailable, MigrationNeeded, StoreError: nothing is ever given in place of an answer.
    """
    # Here, since what Supabase's client brings would be a tenth of what the server loads at its start.
    import httpx
    from postgrest.exceptions import APIError

    try:
        answer = await _execute(query)
    except APIError as error:
        raise _refused(error) from error
    except httpx.HTTPError as error:
        raise StoreUnavailable(
            f"Supabase cannot be reached: {type(error).__name__}.",
            next_step="Check SUPABASE_URL and whether Supabase runs; then try again.",
            context=ErrorContext(operation="settings"),
        ) from error
    data = getattr(answer, "data", None)
    if data is None:
        return []
    if not isinstance(data, Iterable) or isinstance(data, str | bytes):
        raise StoreError("The database answered something that is no list of rows.")
    return [row for row in data if isinstance(row, Mapping)]


def setting_rows(found: Iterable[TableRow]) -> list[SettingRow]:
    """The settings among `found`."""
    return [_setting(row) for row in found if isinstance(row.get("key"), str)]


def sealed_secrets(found: Iterable[TableRow]) -> dict[str, str]:
    """The ciphertexts of ours among `found`, by the key of their setting."""
    return {
        key: sealed
        for row in found
        if isinstance(key := row.get("key"), str) and isinstance(sealed := row.get("sealed"), str)
    }


async def _execute(query: TableQuery) -> object:
    if inspect.iscoroutinefunction(query.execute):
        return await query.execute()
    answer = await asyncio.to_thread(query.execute)
    return await answer if inspect.isawaitable(answer) else answer


def _setting(row: TableRow) -> SettingRow:
    return SettingRow(
        key=str(row["key"]),
        value=_text(row.get("value")),
        is_encrypted=bool(row.get("is_encrypted")),
        category=_text(row.get("category")),
        description=_text(row.get("description")),
        encrypted_value=_text(row.get("encrypted_value")),
    )


def _text(value: object) -> str | None:
    """A column as text; what is no single value is no setting."""
    return as_text(value) if isinstance(value, str | bool | int | float) else None


def _refused(error: APIError) -> StoreError:
    context = ErrorContext(operation="settings", upstream_message=error.message)
    if error.code in _MISSING:
        return MigrationNeeded(f"The database lacks what settings need: {error.message}", context=context)
    return StoreError(f"The database refused: {error.message} ({error.code})", context=context)
