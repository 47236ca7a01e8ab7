"""Ways to embedding models: the one that the settings name now, and the one that stored vectors were made over.

A way is written down without secrets; they are taken from the settings when it is gone again.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from src.errors import ArchonError, ConfigurationError, FormerModelAway, JsonValue, ProviderError
from src.inference.embed import build_embedder
from src.inference.models import Embedder, EmbeddingIdentity
from src.inference.provider import ActiveProvider, Provider
from src.store import spaces
from src.store.database import Database

from .catalog import SHARED_FIELDS
from .service import SettingsService


class EmbeddingWays:
    """Writes down how the chosen model is reached, and makes embedders over ways that were written down."""

    def __init__(self, settings: SettingsService, chosen: Callable[[], Awaitable[Embedder]]) -> None:
        self._settings = settings
        self._chosen = chosen
        self._made: dict[str, Embedder] = {}

    async def chosen(self) -> Mapping[str, JsonValue]:
        """How the settings in force reach their embedding model, without secrets.

        Raises:
            ConfigurationError: they name none.
            StoreError: they cannot be read.
        """
        active = await self._settings.active("embedding")
        embedder = await self._chosen()
        kept: dict[str, JsonValue] = {
            key: value for key, value in active.values.items() if key in _plain_keys(active.provider) and value
        }
        return {"provider": active.provider.id, "model": embedder.model or active.model, "values": kept}

    async def embedder(self, space: spaces.Answering) -> Embedder:
        """An embedder over the way that a space was reached last; where none was written down, over the chosen one.

        Raises:
            FormerModelAway: it cannot be asked, or another model answers there now.
            StoreError: the settings cannot be read.
        """
        problem: ArchonError = ConfigurationError("Another model answers there now.")
        try:
            former = await self._made_for(space)
            if await former.identity() == _identity(space):
                return former
        except (ConfigurationError, ProviderError) as error:
            problem = error
        raise FormerModelAway(
            f"The stored passages were embedded with the model '{space.model}', which cannot be asked:"
            f" {problem.message}",
            context=replace(problem.context, model=space.model),
        )

    async def _made_for(self, space: spaces.Answering) -> Embedder:
        way = dict(space.way or {**await self.chosen(), "model": space.model})
        active = await self._active(way)
        name = json.dumps([way, active.endpoint.api_key], sort_keys=True, default=str)
        if name not in self._made:
            self._made = {name: build_embedder(active)}
        return self._made[name]

    async def _active(self, way: Mapping[str, JsonValue]) -> ActiveProvider:
        provider = self._settings.catalog.provider(str(way.get("provider")), "embedding")
        snapshot = await self._settings.snapshot()
        stored = way.get("values")
        plain = {key: str(value) for key, value in stored.items()} if isinstance(stored, Mapping) else {}
        secrets = {field.key: snapshot.text(field.key) for field in provider.fields if field.kind == "secret"}
        values = {**plain, **{key: value for key, value in secrets.items() if value is not None}}
        return ActiveProvider(
            provider=provider,
            service="embedding",
            endpoint=provider.endpoint(values, "embedding"),
            model=str(way.get("model") or "") or None,
            values=values,
        )


class AnsweringEmbedder:
    """The embedder for questions: of the space that answers, which may be another one than the settings name."""

    def __init__(self, database: Database, chosen: Callable[[], Awaitable[Embedder]], ways: EmbeddingWays) -> None:
        self._database = database
        self._chosen = chosen
        self._ways = ways

    async def __call__(self) -> Embedder:
        """The embedder whose vectors may be compared with those that answer.

        Raises:
            FormerModelAway: the stored passages' model is not the chosen one, and cannot be asked.
            ConfigurationError, ProviderError: nothing is stored, and the chosen one cannot be asked.
            StoreError: the database cannot be asked.
        """
        space = await spaces.answering(self._database)
        chosen = await self._chosen() if space is None else await self._if_chosen(space)
        if space is None or chosen is not None:
            return chosen or await self._chosen()
        return await self._ways.embedder(space)

    async def _if_chosen(self, space: spaces.Answering) -> Embedder | None:
        """The chosen embedder, where the space is its own. Raises what it raises where it alone could help."""
        try:
            chosen = await self._chosen()
            return chosen if await chosen.identity() == _identity(space) else None
        except (ConfigurationError, ProviderError):
            # It is away: its own error is the right one, unless the space is reached another way.
            if space.way is None or dict(space.way) == dict(await self._ways.chosen()):
                raise
            return None


def _plain_keys(provider: Provider) -> frozenset[str]:
    fields = (*provider.fields, *SHARED_FIELDS)
    return frozenset(
        field.key for field in fields if field.kind != "secret" and field.capability in (None, "embeddings")
    )


def _identity(space: spaces.Answering) -> EmbeddingIdentity:
    return EmbeddingIdentity(space.model, space.dimensions, space.normalised, space.query_prefix, space.passage_prefix)
