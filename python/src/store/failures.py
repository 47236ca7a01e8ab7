"""A refusal of Postgres in our words, by SQLSTATE first: the same whether psycopg or a REST face brought it."""

from __future__ import annotations

import re

import psycopg
from psycopg.errors import (
    CheckViolation,
    DataError,
    ForeignKeyViolation,
    InternalError_,
    LockNotAvailable,
    NoDataFound,
    NotNullViolation,
    QueryCanceled,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedTable,
    UniqueViolation,
)

from src.errors import (
    ArchonError,
    Conflict,
    DiskFull,
    ErrorContext,
    InvalidInput,
    MigrationNeeded,
    NotFound,
    StoreError,
    StoreUnavailable,
)


def ours(error: psycopg.Error, context: ErrorContext) -> ArchonError:
    """The error to raise for `error`; `context.operation` names the function that was called."""
    text, operation = _text(error), context.operation or "call"
    # A quota or a file size limit has no SQLSTATE of its own: Postgres reports both as internal errors.
    cannot_grow = isinstance(error, InternalError_) and text.startswith("could not extend file")
    if isinstance(error, psycopg.errors.DiskFull) or cannot_grow:
        return DiskFull("The disk of the database is full.", context=context)
    if isinstance(error, UndefinedFunction | UndefinedTable | UndefinedColumn):
        return MigrationNeeded(f"The database lacks what '{operation}' needs: {text}", context=context)
    if isinstance(error, NoDataFound):
        return NotFound(text, context=context)
    if isinstance(error, UniqueViolation | ForeignKeyViolation | LockNotAvailable):
        return Conflict(text, context=context)
    if isinstance(error, DataError | CheckViolation | NotNullViolation):
        return InvalidInput(f"The database refused a value: {text}", context=context)
    if isinstance(error, QueryCanceled):
        return StoreUnavailable(f"The database ended '{operation}' before it was done: {text}", context=context)
    if isinstance(error, psycopg.OperationalError):
        return StoreUnavailable(f"The database cannot be reached: {text}", context=context)
    return StoreError(f"The database refused '{operation}': {text}", context=context)


def of_sqlstate(sqlstate: str, message: str, context: ErrorContext) -> ArchonError:
    """The error to raise for a refusal that came as code and text."""
    try:
        kind = psycopg.errors.lookup(sqlstate)
    except KeyError:
        kind = psycopg.DatabaseError
    return ours(kind(message), context)


def _text(error: psycopg.Error) -> str:
    lines = (error.diag.message_primary or str(error)).strip().splitlines()
    return re.sub(r"password=\S+", "password=[secret]", lines[0] if lines else type(error).__name__)
