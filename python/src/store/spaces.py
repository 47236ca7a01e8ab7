"""Embedding spaces: which vectors may be compared with each other, and the proof that a server leads into one."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from src.errors import JsonValue

from . import columns
from .database import Database, Json, Row, Vector

TextKind: TypeAlias = Literal["chunk", "example"]
"""What has vectors in a space: passages, and examples of code."""
TEXT_KINDS: tuple[TextKind, ...] = ("chunk", "example")


@dataclass(frozen=True, slots=True)
class Canary:
    """A text and the vector it had when the space was made."""

    text: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class Space:
    """One embedding space. `similarity_floor` is a cosine, None until measured.

    `state`: active (it answers), building (it is being filled), retired. `declined`: a change to it was stopped.
    `way`: how it was reached last, without secrets.
    """

    id: int
    model: str
    dimensions: int
    normalised: bool
    query_prefix: str
    passage_prefix: str
    state: str
    similarity_floor: float | None
    canaries: tuple[Canary, ...]
    declined: bool = False
    way: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class Answering:
    """The space that questions are asked in, without its canaries."""

    id: int
    model: str
    dimensions: int
    normalised: bool
    query_prefix: str
    passage_prefix: str
    way: Mapping[str, JsonValue] | None


@dataclass(frozen=True, slots=True)
class SpaceCount:
    """A space and how many passages have vectors in it."""

    space: Space
    vectors: int


@dataclass(frozen=True, slots=True)
class PendingText:
    """A stored text that has no vector in a space yet."""

    id: int
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Texts that have no vector in a space, and all texts."""

    missing: int
    total: int


@dataclass(frozen=True, slots=True)
class FreshPart:
    """Vectors of a space that are in no index yet and not on the way into one."""

    space_id: int
    fresh: int


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


async def open_space(
    database: Database,
    *,
    model: str,
    dimensions: int,
    normalised: bool = True,
    query_prefix: str = "",
    passage_prefix: str = "",
    anew: bool = False,
) -> Space:
    """The space of this identity. It answers at once where no other has vectors; else it is to be built first.

    `anew`: also where somebody stopped the change to it before. Raises StoreError.
    """
    rows = await database.call(
        "archon_space_open",
        model=model,
        dimensions=dimensions,
        normalised=normalised,
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
        anew=anew,
    )
    return _space(rows[0])


async def active(database: Database) -> Space | None:
    """The space that searches use; None in a store without vectors. Raises StoreError."""
    rows = await database.call("archon_active_space")
    return _space(rows[0]) if rows else None


async def answering(database: Database) -> Answering | None:
    """The space that searches use, as much of it as a question needs; None where there is none. Raises StoreError."""
    rows = await database.call("archon_space_answering")
    if not rows:
        return None
    row = rows[0]
    return Answering(
        id=columns.number(row, "id"),
        model=columns.text(row, "model"),
        dimensions=columns.number(row, "dimensions"),
        normalised=bool(row["normalised"]),
        query_prefix=columns.text(row, "query_prefix"),
        passage_prefix=columns.text(row, "passage_prefix"),
        way=columns.json_object(row, "way") or None,
    )


async def every(database: Database) -> list[SpaceCount]:
    """All spaces, the one that answers first. Raises StoreError."""
    rows = await database.call("archon_spaces_known")
    return [SpaceCount(_space(row), columns.number(row, "vector_count")) for row in rows]


async def set_canaries(database: Database, space_id: int, canaries: Sequence[Canary]) -> None:
    """Keep the vectors that a server must give again to be the same model. Raises StoreError."""
    stored = [{"text": canary.text, "vector": list(canary.vector)} for canary in canaries]
    await database.call("archon_space_set_canaries", space=space_id, canaries=Json(stored))


async def set_way(database: Database, space_id: int, way: Mapping[str, JsonValue]) -> None:
    """Keep how the space is reached, without secrets. Raises StoreError."""
    await database.call("archon_space_way", space=space_id, way=Json(dict(way)))


async def gap(database: Database, space_id: int) -> Gap:
    """How many texts have no vector in the space. Raises StoreError."""
    row = (await database.call("archon_space_gap", space=space_id))[0]
    return Gap(columns.number(row, "missing"), columns.number(row, "total"))


async def fill(
    database: Database,
    job_id: str,
    worker: str,
    space_id: int,
    kind: TextKind,
    ids: Sequence[int],
    vectors: Sequence[Vector],
) -> int:
    """Write the vectors of stored texts; how many were written: texts that were replaced meanwhile are passed over.

    Raises:
        Conflict: the job belongs to another worker now, or the space was given up.
        InvalidInput: a vector has the wrong size.
        StoreError: the database refused.
    """
    rows = await database.call(
        "archon_space_fill",
        job=job_id,
        worker=worker,
        space=space_id,
        kind=kind,
        ids=list(ids),
        embeddings=list(vectors),
    )
    return columns.number(rows[0], "written")


async def fail_text(
    database: Database, job_id: str, worker: str, kind: TextKind, text: PendingText, error: Mapping[str, JsonValue]
) -> None:
    """Note that a text cannot be embedded, and why. Raises Conflict, StoreError."""
    await database.call(
        "archon_space_fail",
        job=job_id,
        worker=worker,
        kind=kind,
        text_id=text.id,
        url=text.url,
        error=Json(dict(error)),
    )


async def switch(database: Database, job_id: str, worker: str, space_id: int) -> int:
    """Let the space answer, in one step, if no text lacks a vector; how many still do: 0 is the switch.

    Raises:
        Conflict: the job belongs to another worker now.
        StoreError: the database refused; the former space answers on.
    """
    rows = await database.call("archon_space_switch", job=job_id, worker=worker, space=space_id)
    return columns.number(rows[0], "missing")


async def clear(database: Database) -> int:
    """Drop the spaces that answer no more with their vectors; how many there were. Raises StoreError."""
    rows = await database.call("archon_spaces_clear")
    return columns.number(rows[0], "archon_spaces_clear")


async def decline(database: Database, space_id: int) -> None:
    """Give up a space that is being built; it is not built again by itself. Raises StoreError."""
    await database.call("archon_space_decline", space=space_id)


async def forgive(database: Database, but: int) -> None:
    """Forget that spaces were declined: the settings name the one that answers. Raises StoreError."""
    await database.call("archon_spaces_forgive", but=but)


async def fresh_parts(database: Database, *, most: int) -> list[FreshPart]:
    """The fresh part of each space in use, counted to `most`. Raises StoreError."""
    rows = await database.call("archon_fresh_parts", most=most)
    return [FreshPart(columns.number(row, "space_id"), columns.number(row, "fresh")) for row in rows]


async def close_fresh_part(database: Database, space_id: int) -> None:
    """Write into a new part from now on; the closed one waits for its index. Raises StoreError."""
    await database.call("archon_fresh_close", space=space_id)


async def analyze(database: Database) -> None:
    """Renew the planner's statistics. Raises StoreError."""
    await database.call("archon_analyze")


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
        declined=bool(row["declined"]),
        way=columns.json_object(row, "way") or None,
    )
