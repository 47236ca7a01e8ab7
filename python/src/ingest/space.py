"""The way into an embedding space: who answers must give the same vectors as when the space was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

from src.errors import (
    ConfigurationError,
    ErrorContext,
    FormerModelAway,
    JsonValue,
    ProtocolError,
    ProviderError,
)
from src.inference.models import Embedder, Vector
from src.store import spaces
from src.store.database import Database

_TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "def add(a, b):\n    return a + b",
    "Wie stelle ich die Zeitüberschreitung einer Verbindung ein?",
    "SELECT name, count(*) FROM orders GROUP BY name HAVING count(*) > 10;",
)
MIN_COSINE = 0.999
"""Of the same text by the same weights. Another quantisation stays above; another model is far below."""


class Ways(Protocol):
    """Ways to embedding servers: the one in the settings, to be written down, and those written down before."""

    async def chosen(self) -> Mapping[str, JsonValue]:
        """How the settings in force reach their embedding model, without secrets. Raises ConfigurationError."""
        ...

    async def embedder(self, space: spaces.Answering) -> Embedder:
        """An embedder over the way that a space was reached last. Raises FormerModelAway."""
        ...


@dataclass(frozen=True, slots=True)
class Entrance:
    """An embedder and the space that its vectors belong to, proven."""

    embedder: Embedder
    space: spaces.Space


async def open_space(database: Database, embedder: Embedder, *, anew: bool = False) -> spaces.Space:
    """The space of the embedder's vectors, after the proof that its server is the one that made it.

    Raises:
        ConfigurationError: a server answers under the same name with other weights; nothing was written.
        ProviderError: the server cannot be asked.
        StoreError: the database cannot be asked.
    """
    identity = await embedder.identity()
    space = await spaces.open_space(
        database,
        model=identity.model,
        dimensions=identity.dimensions,
        normalised=identity.normalised,
        query_prefix=identity.query_prefix,
        passage_prefix=identity.passage_prefix,
        anew=anew,
    )
    if space.state != "retired":
        await prove(database, embedder, space)
    return space


async def prove(database: Database, embedder: Embedder, space: spaces.Space) -> None:
    """See that the embedder's server gives the space's canary vectors again; the first one to come gives them.

    Raises:
        ConfigurationError: they are others.
        ProviderError: the server cannot be asked.
    """
    vectors = await _vectors(embedder, _TEXTS if not space.canaries else [canary.text for canary in space.canaries])
    if not space.canaries:
        canaries = [spaces.Canary(text, vector) for text, vector in zip(_TEXTS, vectors, strict=True)]
        await spaces.set_canaries(database, space.id, canaries)
        return
    pairs = [(canary.vector, vector) for canary, vector in zip(space.canaries, vectors, strict=True)]
    lowest = min(cosine(stored, vector) for stored, vector in pairs)
    if lowest < MIN_COSINE and lowest < await _own_agreement(embedder, vectors, space):
        raise ConfigurationError(
            f"The server gives other vectors under the name '{space.model}' than those that are stored"
            f" (cosine {lowest:.3f}, at least {MIN_COSINE} is needed).",
            next_step="Point the settings at the server with the former weights, or serve these under another name.",
            context=ErrorContext(provider=embedder.provider, model=space.model, operation="embed"),
        )


async def space_to_write(database: Database, chosen: Embedder, ways: Ways | None) -> Entrance:
    """Where new pages go: into the space that answers, by the model it was made with.

    Where that model is out of reach, into the space that takes its place, if one is being filled: then they can be
    found by their words until it answers.

    Raises:
        ConfigurationError: a server answers under the same name with other weights.
        FormerModelAway: the settings name another model, no change to it is under way, the former one is away.
        ProviderError: the chosen server cannot be asked.
    """
    space = await open_space(database, chosen)
    if space.state == "active":
        if ways is not None:
            await spaces.set_way(database, space.id, await ways.chosen())
        return Entrance(chosen, space)
    try:
        return await former_entrance(database, ways)
    except FormerModelAway:
        if space.state != "building":
            raise
        return Entrance(chosen, space)


async def former_entrance(database: Database, ways: Ways | None) -> Entrance:
    """The space that answers, by the way it was reached last. Raises FormerModelAway, StoreError."""
    space, answering = await spaces.active(database), await spaces.answering(database)
    if ways is None or space is None or answering is None:
        raise FormerModelAway("It is not known how the model of the stored passages is reached.")
    embedder = await ways.embedder(answering)
    try:
        await prove(database, embedder, space)
    except (ConfigurationError, ProviderError) as error:
        raise FormerModelAway(
            f"The stored passages were embedded with the model '{space.model}', which cannot be asked: {error.message}",
            context=error.context,
        ) from error
    return Entrance(embedder, space)


async def _own_agreement(embedder: Embedder, vectors: list[Vector], space: spaces.Space) -> float:
    """How well the server agrees with itself when the texts come one by one: some differ with the batch's size."""
    alone = [(await _vectors(embedder, [canary.text]))[0] for canary in space.canaries]
    return min(cosine(first, second) for first, second in zip(vectors, alone, strict=True))


async def _vectors(embedder: Embedder, texts: tuple[str, ...] | list[str]) -> list[Vector]:
    found = []
    for outcome in await embedder.embed_passages(texts):
        if outcome.vector is None:
            raise outcome.error or ProtocolError("The model server gave neither a vector nor an error.")
        found.append(outcome.vector)
    return found


def cosine(first: Vector, second: Vector) -> float:
    """The cosine of two vectors; 0 where the sizes differ or one has no length.

    Raises nothing: a vector of another size is simply another vector.
    """
    if len(first) != len(second):
        return 0.0
    product = sum(a * b for a, b in zip(first, second, strict=True))
    length = sqrt(sum(a * a for a in first)) * sqrt(sum(b * b for b in second))
    return product / length if length else 0.0
