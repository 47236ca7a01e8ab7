"""Typed reading of result rows: a column of the wrong type is a failure of ours, not a silent None.

psycopg gives UUIDs, times and vectors as objects, a REST face gives them as text; both are read here.
"""

from __future__ import annotations

from array import array
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from src.errors import StoreError

from .database import Row, Vector
from .vectors import parse

T = TypeVar("T")


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


def need_id(row: Row, column: str) -> str:
    """The UUID in `column` as text. Raises StoreError."""
    value = row.get(column)
    if not isinstance(value, UUID | str):
        raise _unexpected(column, value, "a UUID")
    return str(value)


def need_time(row: Row, column: str) -> datetime:
    """The time in `column`. Raises StoreError."""
    value = row.get(column)
    return datetime.fromisoformat(value) if isinstance(value, str) else need(row, column, datetime)


def need_vector(row: Row, column: str) -> Vector:
    """The vector in `column`. Raises StoreError."""
    value = row.get(column)
    if isinstance(value, str):
        return parse(value)
    if not isinstance(value, array):
        raise _unexpected(column, value, "a vector")
    return value


def _unexpected(column: str, value: object, wanted: str) -> StoreError:
    return StoreError(
        f"The database gave {type(value).__name__} in column '{column}' where {wanted} belongs.",
        next_step="Run `archon migrate`; the database functions are of another version.",
    )
