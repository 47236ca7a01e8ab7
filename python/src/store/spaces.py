"""Embedding spaces: which vectors may be compared with each other, and the proof that a server leads into one."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from . import columns
from .database import Database, Json, Row, Vector


@dataclass(frozen=True, slots=True)
class Canary:
    """A text and the vector it had when the space was made."""

    text: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class Space:
    """One embedding space. `similarity_floor` is a cosine, None until measured."""

    id: int
    model: str
    dimensions: int
    normalised: bool
    query_prefix: str
    passage_prefix: str
    state: str
    similarity_floor: float | None
    canaries: tuple[Canary, ...]


async def ensure(
    database: Database,
    *,
    model: str,
    dimensions: int,
    normalised: bool = True,
    query_prefix: str = "",
    passage_prefix: str = "",
) -> Space:
    """The space of this identity, made with its index on first use; it becomes the active one. Raises StoreError."""
    rows = await database.call(
        "archon_space_ensure",
        model=model,
        dimensions=dimensions,
        normalised=normalised,
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
    )
    return _space(rows[0])


async def active(database: Database) -> Space | None:
    """The space that searches use; None in a store without vectors. Raises StoreError."""
    rows = await database.call("archon_active_space")
    return _space(rows[0]) if rows else None


async def set_canaries(database: Database, space_id: int, canaries: Sequence[Canary]) -> None:
    """Keep the vectors that a server must give again to be the same model. Raises StoreError."""
    stored = [{"text": canary.text, "vector": list(canary.vector)} for canary in canaries]
    await database.call("archon_space_set_canaries", space=space_id, canaries=Json(stored))


def _space(row: Row) -> Space:
    floor = row["similarity_floor"]
    stored = row["canaries"]
    canaries = stored if isinstance(stored, list) else []
    return Space(
        id=columns.number(row, "id"),
        model=columns.text(row, "model"),
        dimensions=columns.number(row, "dimensions"),
        normalised=bool(row["normalised"]),
        query_prefix=columns.text(row, "query_prefix"),
        passage_prefix=columns.text(row, "passage_prefix"),
        state=columns.text(row, "state"),
        similarity_floor=None if floor is None else float(str(floor)),
        canaries=tuple(Canary(str(item["text"]), array("f", item["vector"])) for item in canaries),
    )
