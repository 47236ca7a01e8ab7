"""The whole store as a stream of batches, out of one database and into another."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from src.errors import StoreError

from . import columns
from .columns import need, need_vector
from .database import Database, Vector

BATCH_BYTES = 2_000_000
"""What a batch should weigh: large enough that calls cost little, small enough that memory stays flat."""
_FIRST_ROWS = 50
_MOST_ROWS = 4_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one table: the JSON text of each, and one vector each where the table has them."""

    table: str
    rows: tuple[str, ...]
    vectors: tuple[Vector, ...] = ()

    @property
    def bytes(self) -> int:
        """About what it weighs."""
        return sum(map(len, self.rows)) + sum(vector.itemsize * len(vector) for vector in self.vectors)


async def counts(database: Database) -> dict[str, int]:
    """Rows of every table that is copied, parents first. Raises StoreError, MigrationNeeded."""
    rows = await database.call("archon_copy_counts")
    return {columns.text(row, "name"): columns.number(row, "counted") for row in rows}


async def read(database: Database) -> AsyncIterator[Batch]:
    """Every row of every table, parents before children. Raises StoreError."""
    for row in await database.call("archon_copy_tables"):
        has_vectors = row["vector"] is not None
        async for batch in _read_table(database, columns.text(row, "name"), has_vectors=has_vectors):
            yield batch


async def words_kind(database: Database) -> str:
    """How search words are counted there: a copy's are taken over where it is the same. Raises StoreError."""
    return columns.text((await database.call("archon_words_kind"))[0], "archon_words_kind")


async def begin(database: Database, *, replace: bool, words_kind: str | None = None) -> None:
    """Make the store ready for a copy whose search words are of `words_kind`; None: they are counted anew.

    Raises:
        Conflict: it holds something, and `replace` is off.
        StoreError: the database failed.
    """
    await database.call("archon_copy_begin", replace=replace, words_kind=words_kind)


async def write(database: Database, batch: Batch) -> int:
    """Write a batch; how many rows were written. Raises StoreError, MigrationNeeded for a table that is not here."""
    rows = await database.call(
        "archon_copy_put", table_name=batch.table, rows=f"[{','.join(batch.rows)}]", embeddings=list(batch.vectors)
    )
    return columns.number(rows[0], "written")


async def settle(database: Database, table: str) -> None:
    """End a table: its numbers go on after the highest. Raises StoreError."""
    await database.call("archon_copy_settle", table_name=table)


async def end(database: Database) -> None:
    """The copy is whole. Raises StoreError."""
    await database.call("archon_copy_end")


async def undo(database: Database) -> None:
    """Take away what a copy brought that cannot be ended. Raises StoreError."""
    await database.call("archon_copy_empty")
    await end(database)


async def sealed_secrets(database: Database) -> Mapping[str, str]:
    """Our ciphertexts by their setting's key. Raises StoreError."""
    rows = await database.call("archon_secrets_list")
    return {columns.text(row, "key"): columns.text(row, "sealed") for row in rows}


async def _read_table(database: Database, table: str, *, has_vectors: bool) -> AsyncIterator[Batch]:
    after: str | None = None
    limit = _FIRST_ROWS
    while True:
        rows = await database.call("archon_copy_read", table_name=table, after=after, row_limit=limit)
        if not rows:
            return
        texts = tuple(need(row, "content", str) for row in rows)
        vectors: Sequence[array[float]] = [need_vector(row, "embedding") for row in rows] if has_vectors else ()
        batch = Batch(table, texts, tuple(vectors))
        yield batch
        if len(rows) < limit:
            return
        key = need(rows[-1], "key", str)
        if key == after:
            raise StoreError(f"Reading '{table}' does not get on.")
        after = key
        limit = max(1, min(_MOST_ROWS, 4 * limit, BATCH_BYTES * len(rows) // max(1, batch.bytes)))
