"""One request for a few vectors: over the OpenAI SDK, or by a provider's own wire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from src.errors import ConfigurationError, ErrorContext
from src.inference.pool import http_client
from src.inference.provider import EmbeddingWire, Endpoint, Provider

from .. import active_provider
from ..credential_service import credential_service
from ..llm_connection import connect
from ..problems import as_value_error

_OWN_WIRE_S = 30.0


class _Vector(Protocol):
    embedding: list[float]


class _Vectors(Protocol):
    data: Sequence[_Vector]


class _Embeddings(Protocol):
    async def create(self, *, model: str, input: list[str], dimensions: int = ...) -> _Vectors: ...


class EmbeddingClient(Protocol):
    """What of the SDK's client is used."""

    @property
    def embeddings(self) -> _Embeddings: ...


class EmbeddingProviderAdapter(ABC):
    """Sends a few texts in one request."""

    @abstractmethod
    async def create_embeddings(self, texts: list[str], model: str, dimensions: int | None = None) -> list[list[float]]:
        """One vector per text, in the order of the texts; `dimensions` None: not sent. Raises what the wire raises."""


class OpenAICompatibleEmbeddingAdapter(EmbeddingProviderAdapter):
    """Over `client.embeddings.create`."""

    def __init__(self, client: EmbeddingClient) -> None:
        self._client = client

    async def create_embeddings(self, texts: list[str], model: str, dimensions: int | None = None) -> list[list[float]]:
        """One vector per text, put in order by their index. Raises what the SDK raises."""
        if dimensions is None:
            answer = await self._client.embeddings.create(model=model, input=list(texts))
        else:
            answer = await self._client.embeddings.create(model=model, input=list(texts), dimensions=dimensions)
        rows = list(answer.data)
        places = [getattr(row, "index", None) for row in rows]
        if sorted(place for place in places if type(place) is int) == list(range(len(rows))):
            rows = [row for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0] or 0)]
        return [row.embedding for row in rows]


class OwnWireEmbeddingAdapter(EmbeddingProviderAdapter):
    """By the request that a provider declares where its API is not OpenAI's."""

    def __init__(self, provider: Provider, wire: EmbeddingWire) -> None:
        self._provider = provider
        self._wire = wire

    async def create_embeddings(self, texts: list[str], model: str, dimensions: int | None = None) -> list[list[float]]:
        """One vector per text.

        Raises:
            ConfigurationError (a ValueError too): there is no key; nothing was sent.
            ProviderError: what the wire raises.
        """
        async with http_client(timeout_s=_OWN_WIRE_S, cloud=True) as client:
            return await self._wire(client, await self._endpoint(), model, texts, dimensions)

    async def _endpoint(self) -> Endpoint:
        key = await credential_service._get_provider_api_key(self._provider.id)
        return connect(self._provider, "embedding", api_key=key, base_url=None, settings={}).endpoint


class GoogleEmbeddingAdapter(OwnWireEmbeddingAdapter):
    """v1's name for the adapter of the one older provider that embeds by a wire of its own.

    Raises:
        ConfigurationError: no provider of this product declares such a wire.
    """

    def __init__(self) -> None:
        for provider in active_provider.registry().all():
            if provider.keeps_v1_wire and provider.embedding_wire is not None:
                super().__init__(provider, provider.embedding_wire)
                return
        raise as_value_error(
            ConfigurationError("No provider embeds by a wire of its own.", context=ErrorContext(operation="embed"))
        )


def adapter_for(provider: Provider | None, client: EmbeddingClient) -> EmbeddingProviderAdapter:
    """The adapter of `provider`; the SDK's where it declares no wire of its own."""
    if provider is None or provider.embedding_wire is None:
        return OpenAICompatibleEmbeddingAdapter(client)
    return OwnWireEmbeddingAdapter(provider, provider.embedding_wire)
