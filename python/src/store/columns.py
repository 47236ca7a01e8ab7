"""Reading one column of a row with its type. Through Supabase's REST face a uuid or a time arrives as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from src.errors import JsonValue, StoreError

from .database import Row


def text(row: Row, name: str) -> str:
    """The column as text; null becomes the empty string."""
    value = row[name]
    return "" if value is None else str(value)


def optional_text(row: Row, name: str) -> str | None:
    """The column as text, or None where it is null."""
    value = row[name]
    return None if value is None else str(value)


def number(row: Row, name: str) -> int:
    """The column as an integer; null becomes 0."""
    value = row[name]
    return 0 if value is None else int(str(value))


def optional_number(row: Row, name: str) -> int | None:
    """The column as an integer, or None where it is null."""
    value = row[name]
    return None if value is None else int(str(value))


def texts(row: Row, name: str) -> tuple[str, ...]:
    """A text[] column."""
    value = row[name]
    return tuple(str(item) for item in value) if isinstance(value, Sequence) and not isinstance(value, str) else ()


def json_object(row: Row, name: str) -> dict[str, JsonValue]:
    """A jsonb column that holds an object; null becomes an empty one."""
    value = row[name]
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def moment(row: Row, name: str) -> datetime:
    """A timestamptz column. Raises StoreError when it holds none."""
    found = optional_moment(row, name)
    if found is None:
        raise StoreError(f"The database returned no time in '{name}'.")
    return found


def optional_moment(row: Row, name: str) -> datetime | None:
    """A timestamptz column, or None where it is null."""
    value = row[name]
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(str(value))
