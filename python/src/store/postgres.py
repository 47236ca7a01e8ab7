"""Postgres through psycopg: the embedded default and any server behind `DATABASE_URL`."""

from __future__ import annotations

import asyncio
import math
import select
import time
from array import array
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from functools import cache
from typing import Self
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql
from psycopg.adapt import PyFormat
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from src.errors import ErrorContext, StoreUnavailable, redact_url

from . import vectors
from .database import Json, Row, SqlValue, StoreState
from .failures import ours
from .page_calls import PAGE_CALLS, SEARCHES, Turns

MIN_VECTOR_VERSION = (0, 8)
"""pgvector 0.8 brought iterative index scans, which filtered search needs to keep its recall."""
_TRUSTED_S = 1.0
"""So long after its use a connection is not asked whether it still lives: that costs a round trip before each call. One
that stays on this machine is never asked: there is no network that could go without a word.
"""
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})
_FOR_PEOPLE = 4
"""Connections that the calls of an ingest leave free."""


class PostgresDatabase:
    """A pool of connections to one Postgres."""

    def __init__(self, url: str, *, kind: str = "postgres", max_connections: int = 10) -> None:
        self._url = url
        self._kind = kind
        self._trusted_s = math.inf if _stays_here(url) else _TRUSTED_S
        self._turns = Turns(max(1, max_connections - _FOR_PEOPLE))
        self._used: WeakKeyDictionary[psycopg.AsyncConnection[DictRow], float] = WeakKeyDictionary()
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[DictRow]] = AsyncConnectionPool(
            url,
            connection_class=psycopg.AsyncConnection[DictRow],
            kwargs={"row_factory": dict_row, "autocommit": True},
            min_size=1,
            max_size=max_connections,
            timeout=10.0,
            configure=vectors.register,
            check=self._check,
            open=False,
        )

    @classmethod
    async def connect(cls, url: str, *, kind: str = "postgres") -> Self:
        """A database whose first connection was made.

        Raises:
            StoreUnavailable: nothing answers at `url`, or user and password are refused.
        """
        database = cls(url, kind=kind)
        with _typed("connect", url):
            # One plain connection first: it fails at once and says why, where the pool would only time out.
            await (await psycopg.AsyncConnection.connect(url, connect_timeout=10)).close()
            async with AsyncExitStack() as undo:
                undo.push_async_callback(database._pool.close)
                await database._pool.open()
                await database._pool.wait(timeout=10.0)
                undo.pop_all()
        return database

    async def call(self, function: str, /, **arguments: SqlValue) -> list[Row]:
        with _typed(function, self._url):
            if function in SEARCHES:
                with self._turns.search():
                    return await self._once(function, arguments)
            async with self._turns.page() if function in PAGE_CALLS else nullcontext():
                return await self._once(function, arguments)

    async def _once(self, function: str, arguments: Mapping[str, SqlValue]) -> list[Row]:
        async with self._connection() as connection:
            return await _rows(connection, function, arguments)

    async def call_long(self, function: str, /, **arguments: SqlValue) -> list[Row]:
        with _typed(function, self._url):
            # A connection of its own: the pool would miss it for minutes. It ends with its task, and the query too.
            own = await psycopg.AsyncConnection[DictRow].connect(self._url, row_factory=dict_row, connect_timeout=10)
            async with own as connection:
                await connection.execute("set local statement_timeout = 0")
                return await _rows(connection, function, arguments)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[DictRow]]:
        """A connection of the pool, unless the task was cancelled while it waited for one.

        psycopg_pool 3.3 swallows a cancellation that comes at the moment a connection is handed over.
        """
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        async with self._pool.connection() as connection:
            if task is not None and task.cancelling() > before:
                raise asyncio.CancelledError
            yield connection
            self._used[connection] = time.monotonic()

    async def _check(self, connection: psycopg.AsyncConnection[DictRow]) -> None:
        """Raises psycopg.OperationalError where `connection` is dead, so that the pool takes another one."""
        idle_s = time.monotonic() - self._used.get(connection, float("-inf"))
        # A server that ends a connection says so, and that can be read; only a network that is gone says nothing.
        if idle_s > self._trusted_s or _has_something_to_read(connection):
            await AsyncConnectionPool.check_connection(connection)

    async def state(self) -> StoreState:
        with _typed("state", self._url):
            async with self._connection() as connection:
                cursor = await connection.execute(
                    "select current_setting('server_version') as server_version,"
                    " (select extversion from pg_extension where extname = 'vector') as vector_version"
                )
                row = await cursor.fetchone()
        found = row or {}
        vector_version = found.get("vector_version")
        return StoreState(
            kind=self._kind,
            server_version=str(found.get("server_version", "")),
            vector_version=None if vector_version is None else str(vector_version),
            location=redact_url(self._url),
        )

    async def close(self) -> None:
        await self._pool.close()


def _stays_here(url: str) -> bool:
    """Whether Postgres is on this machine. A URL that cannot be read is refused where it is connected to."""
    try:
        host = str(conninfo_to_dict(url).get("host") or "")
    except psycopg.ProgrammingError:
        return False
    return host in _HERE or host.startswith("/")


def _has_something_to_read(connection: psycopg.AsyncConnection[DictRow]) -> bool:
    ready = select.poll()
    ready.register(connection.fileno(), select.POLLIN)
    return bool(ready.poll(0))


def _adapt(value: SqlValue) -> object:
    if isinstance(value, Json):
        return Jsonb(value.value)
    if isinstance(value, Sequence) and not isinstance(value, str | array):
        return list(value)
    return value


async def _rows(
    connection: psycopg.AsyncConnection[DictRow], function: str, arguments: Mapping[str, SqlValue]
) -> list[Row]:
    query = _call(function, tuple((name, _holds_vectors(value)) for name, value in arguments.items()))
    cursor = await connection.execute(query, {k: _adapt(v) for k, v in arguments.items()}, binary=True)
    return list(await cursor.fetchall())


@cache
def _call(function: str, arguments: tuple[tuple[str, bool], ...]) -> bytes:
    """The statement that calls `function`; of each argument its name, and whether it is a list of vectors.

    Those go in binary: as text each float would be written and parsed again. Psycopg keeps what it makes of a statement
    only where that comes as text, so each is put together once.
    """
    named = [
        sql.SQL("{} => {}").format(
            sql.Identifier(name), sql.Placeholder(name, PyFormat.BINARY if is_vectors else PyFormat.AUTO)
        )
        for name, is_vectors in arguments
    ]
    return sql.SQL("select * from {}({})").format(sql.Identifier(function), sql.SQL(", ").join(named)).as_bytes(None)


def _holds_vectors(value: SqlValue) -> bool:
    return (
        isinstance(value, Sequence) and not isinstance(value, str | array) and any(isinstance(v, array) for v in value)
    )


@contextmanager
def _typed(operation: str, url: str) -> Iterator[None]:
    """Turn psycopg's errors into ours, by SQLSTATE first."""
    context = ErrorContext(operation=operation, url=redact_url(url))
    try:
        yield
    except PoolTimeout as error:
        raise StoreUnavailable("The database did not answer within 10 seconds.", context=context) from error
    except psycopg.Error as error:
        raise ours(error, context) from error
