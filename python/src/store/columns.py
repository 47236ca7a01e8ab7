"""Reading one column of a row with its type; what does not fit is a failure of ours, not a silent None.

psycopg gives UUIDs, times and vectors as objects, a REST face gives them as text; both are read here. `text` and
`number` take null as empty and 0; `need` and the other `need_…` refuse it.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from src.errors import JsonValue, StoreError

from .database import Row, Vector
from .vectors import parse

T = TypeVar("T")
W = TypeVar("W", bound=str)


def need(row: Row, column: str, kind: type[T]) -> T:
    """The value of `column`, which must be a `kind`. Raises StoreError."""
    value: object = row.get(column)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)  # JSON writes 1.0 as 1
    if not isinstance(value, kind):
        raise _unexpected(column, value, kind.__name__)
    return value


def maybe(row: Row, column: str, kind: type[T]) -> T | None:
    """The value of `column`, which may be null. Raises StoreError when it is something else."""
    return None if row.get(column) is None else need(row, column, kind)


def need_one_of(row: Row, column: str, words: Sequence[W]) -> W:
    """The word in `column`, which must be one of `words`. Raises StoreError."""
    value = need(row, column, str)
    for word in words:
        if word == value:
            return word
    raise _unexpected(column, value, f"one of {', '.join(words)}")


def need_id(row: Row, column: str) -> str:
    """The UUID in `column` as text. Raises StoreError."""
    value = row.get(column)
    if not isinstance(value, UUID | str):
        raise _unexpected(column, value, "a UUID")
    return str(value)


def need_vector(row: Row, column: str) -> Vector:
    """The vector in `column`. Raises StoreError."""
    value = row.get(column)
    if isinstance(value, str):
        return parse(value)
    if not isinstance(value, array):
        raise _unexpected(column, value, "a vector")
    return value


def moment(row: Row, column: str) -> datetime:
    """The time in `column`. Raises StoreError when there is none."""
    found = optional_moment(row, column)
    if found is None:
        raise _unexpected(column, None, "a time")
    return found


def optional_moment(row: Row, column: str) -> datetime | None:
    """The time in `column`, or None where it is null."""
    value = row[column]
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(str(value))


def text(row: Row, column: str) -> str:
    """The column as text; null becomes the empty string."""
    return optional_text(row, column) or ""


def optional_text(row: Row, column: str) -> str | None:
    """The column as text, or None where it is null."""
    value = row[column]
    return None if value is None else str(value)


def number(row: Row, column: str) -> int:
    """The column as an integer; null becomes 0."""
    return optional_number(row, column) or 0


def optional_number(row: Row, column: str) -> int | None:
    """The column as an integer, or None where it is null."""
    value = row[column]
    return None if value is None else int(str(value))


def texts(row: Row, column: str) -> tuple[str, ...]:
    """A text[] column."""
    value = row[column]
    return tuple(str(item) for item in value) if isinstance(value, Sequence) and not isinstance(value, str) else ()


def json_object(row: Row, column: str) -> dict[str, JsonValue]:
    """A jsonb column that holds an object; null becomes an empty one."""
    value = row[column]
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def _unexpected(column: str, value: object, wanted: str) -> StoreError:
    return StoreError(
        f"The database gave {type(value).__name__} in column '{column}' where {wanted} belongs.",
        next_step="Run `archon migrate`; the database functions are of another version.",
    )
