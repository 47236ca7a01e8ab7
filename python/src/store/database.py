"""The database seam: everything the product stores or finds is a SQL function, called by name.

One face for every adapter: psycopg calls `select * from f(a => …)`, Supabase's client calls `rpc(f, …)`.
The functions live in `migration/*.sql`; the modules beside this one give them types.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

Row = Mapping[str, object]
"""One result row by column name. Only this room reads rows; everybody else gets frozen values."""

Vector: TypeAlias = "array[float]"
"""An embedding: `array('f')`, one float32 per dimension."""


@dataclass(frozen=True, slots=True)
class Json:
    """A value for a jsonb argument."""

    value: object


SqlValue: TypeAlias = (
    "bool | int | float | str | datetime | Json | Vector | Sequence[str] | Sequence[int] | Sequence[Vector] | None"
)


@dataclass(frozen=True, slots=True)
class StoreState:
    """What `archon doctor` and /health show of the database."""

    kind: str
    server_version: str
    vector_version: str | None
    location: str


class Database(Protocol):
    """A database that answers function calls. All methods are safe to use from many tasks at once."""

    async def call(self, function: str, /, **arguments: SqlValue) -> list[Row]:
        """Rows of SQL function `function`; its arguments go by name. One call is one transaction.

        Raises:
            StoreUnavailable: the database cannot be reached.
            MigrationNeeded: the function or a table it needs does not exist.
            DiskFull: nothing was written, the disk is full.
            NotFound, Conflict, InvalidInput: raised by the function itself.
            StoreError: anything else the database refused.
        """
        ...

    async def call_long(self, function: str, /, **arguments: SqlValue) -> list[Row]:
        """As `call`, for a function that works for minutes: the database's time limit does not end it.

        Over a REST face that is so where the function names its own limit, and the answer may be lost while it works.
        Raises as `call` does.
        """
        ...

    async def state(self) -> StoreState:
        """Version and place of the database. Raises StoreUnavailable."""
        ...

    async def close(self) -> None:
        """Give all connections back."""
        ...
