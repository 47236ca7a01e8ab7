"""Questions are embedded by another provider only where that leads into the space of the stored vectors."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from src.errors import ArchonError, ErrorContext, UnsupportedFeature
from src.inference.embed import build_embedder
from src.inference.fallback import CHAIN, can_fall_back, ids_in, is_enabled
from src.inference.models import Embedded, Embedder, EmbeddingIdentity, Vector
from src.inference.provider import ActiveProvider
from src.inference.registry import Registry
from src.ingest.space import prove
from src.settings import SettingsService
from src.store import spaces
from src.store.database import Database

_PROVEN_FOR_S = 60.0
"""How long a proof is believed: the server behind it may be started anew with other weights."""
_log = structlog.get_logger("archon.server.fallbacks")

EmbedderFactory = Callable[[], Awaitable[Embedder]]
StandIn = Callable[[ArchonError], Awaitable[Embedder]]
"""Gives an embedder of the same space in place of one that failed; raises the failure, or UnsupportedFeature."""


class AnsweringWithFallbacks:
    """Gives the embedder for questions: the one of the stored vectors, with FALLBACK_CHAIN behind it."""

    def __init__(
        self, answering: EmbedderFactory, settings: SettingsService, registry: Registry, database: Database
    ) -> None:
        self._answering = answering
        self._settings = settings
        self._registry = registry
        self._database = database
        self._proven: tuple[Embedder, float] | None = None

    async def __call__(self) -> Embedder:
        """An embedder whose vectors may be compared with the stored ones.

        Raises:
            ConfigurationError, ProviderError: the chosen one cannot be asked, and no other may stand in.
            UnsupportedFeature: those that could stand in embed into another space.
            StoreError: the database cannot be asked.
        """
        values = (await self._settings.snapshot()).in_force()
        if not is_enabled(values):
            return await self._answering()
        try:
            return EmbedderOfSpace(await self._answering(), None, self._stand_in)
        except ArchonError as error:
            space = await spaces.active(self._database)
            if space is None or not can_fall_back(error):
                raise
            return EmbedderOfSpace(await self._stand_in(error), _identity_of(space), self._stand_in)

    async def _stand_in(self, failure: ArchonError) -> Embedder:
        if self._proven is not None and time.monotonic() - self._proven[1] < _PROVEN_FOR_S:
            return self._proven[0]
        space = await spaces.active(self._database)
        refusals: list[str] = []
        for name in ids_in((await self._settings.snapshot()).in_force().get(CHAIN, "")) if space is not None else ():
            try:
                embedder = await self._proven_to_lead(name, space)  # type: ignore[arg-type]
            except ArchonError as error:
                refusals.append(f"{name}: {error.message}")
                continue
            if embedder is not None:
                _log.warning("fallback_embeds", provider=name, instead_of=failure.context.provider)
                self._proven = embedder, time.monotonic()
                return embedder
        if not refusals:
            raise failure
        raise UnsupportedFeature(
            f"{failure.message} No other provider may embed in its place ({'; '.join(refusals)[:600]})",
            next_step="Wait until the embedding server is back; vectors of another model could not be compared.",
            context=ErrorContext(operation="embed", field=CHAIN),
        ) from failure

    async def _proven_to_lead(self, name: str, space: spaces.Space) -> Embedder | None:
        """An embedder of the provider, asked for the space's own model; None for one that cannot embed.

        Raises:
            ConfigurationError: it gives other vectors. ProviderError: it cannot be asked.
        """
        provider = self._registry.get(name)
        if not provider.serves("embedding"):
            return None
        values = (await self._settings.snapshot()).in_force()
        endpoint = provider.endpoint(values, "embedding")
        embedder = build_embedder(
            ActiveProvider(provider=provider, service="embedding", endpoint=endpoint, model=space.model, values=values)
        )
        await prove(self._database, embedder, space)
        return embedder


class EmbedderOfSpace:
    """An embedder with others behind it that lead into the same space. `space`: what it is known to lead into."""

    def __init__(self, embedder: Embedder, space: EmbeddingIdentity | None, stand_in: StandIn) -> None:
        self._embedder = embedder
        self._space = space
        self._stand_in = stand_in

    @property
    def model(self) -> str:
        """The model's name on its server."""
        return self._embedder.model

    @property
    def provider(self) -> str:
        """The provider that embeds."""
        return self._embedder.provider

    async def identity(self) -> EmbeddingIdentity:
        """The space these vectors live in. Raises as the embedder does."""
        return self._space or await self._embedder.identity()

    async def max_tokens(self) -> int | None:
        """Longest passage in tokens. Raises as the embedder does."""
        return await self._embedder.max_tokens()

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text. Raises as the embedder does."""
        return await self._embedder.count_tokens(texts)

    async def embed_passages(self, texts: Sequence[str], *, somebody_waits: bool = False) -> list[Embedded]:
        """One outcome per text, by the embedder itself. Raises as it does."""
        return await self._embedder.embed_passages(texts, somebody_waits=somebody_waits)

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question, by another way into the same space where the embedder cannot answer.

        Raises:
            ConfigurationError, ProviderError: it failed, and nobody else could be asked.
            UnsupportedFeature: those that could be asked embed into another space.
        """
        try:
            return await self._embedder.embed_query(text)
        except ArchonError as error:
            if not can_fall_back(error):
                raise
            self._embedder = await self._stand_in(error)
            return await self._embedder.embed_query(text)


def _identity_of(space: spaces.Space) -> EmbeddingIdentity:
    return EmbeddingIdentity(space.model, space.dimensions, space.normalised, space.query_prefix, space.passage_prefix)
