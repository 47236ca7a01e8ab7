"""The fallback chain: other providers, asked in order when the chosen one cannot answer a chat.

Shared by the server's own chat (`FallbackChat`) and the gateway, which relays bytes and only needs the links. Who
answered is always told: nothing falls back silently. Embeddings have no chain: another model's vectors are no
substitute, so they may only go to another way into the same embedding space (`check_same_space`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from src.errors import (
    ArchonError,
    ConfigurationError,
    ErrorContext,
    ProtocolError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    ServerFailure,
    UnsupportedFeature,
)

from .models import ChatMessage, ChatModel, ChatOptions, EmbeddingIdentity, StreamEnd, TextDelta
from .provider import ActiveProvider, Values
from .registry import Registry

_CANNOT_ANSWER = (ProviderUnavailable, ProviderTimeout, ServerFailure, RateLimited, QuotaExhausted, ProtocolError)
_TRUE = frozenset({"1", "true", "yes", "on"})


def can_fall_back(error: ArchonError) -> bool:
    """Whether another provider may be asked: the first cannot answer. A refused request or key is no such case."""
    return isinstance(error, _CANNOT_ANSWER) or error.code == "overloaded"


def chain_of(values: Values, registry: Registry, models: Mapping[str, str] | None = None) -> tuple[ActiveProvider, ...]:
    """The providers of FALLBACK_CHAIN in their order; empty unless ENABLE_FALLBACK. `models`: names by provider id.

    Raises:
        ConfigurationError: a name is no provider, or a provider lacks an address, a key or a model.
    """
    if values.get("ENABLE_FALLBACK", "").strip().lower() not in _TRUE:
        return ()
    ids = [part.strip() for part in values.get("FALLBACK_CHAIN", "").split(",") if part.strip()]
    return links(ids, values, registry, models or {})


def links(
    ids: Sequence[str], values: Values, registry: Registry, models: Mapping[str, str]
) -> tuple[ActiveProvider, ...]:
    """The named providers ready for use. Raises as `chain_of` does."""
    return tuple(_link(provider_id, values, registry, models.get(provider_id)) for provider_id in ids)


def _link(provider_id: str, values: Values, registry: Registry, model: str | None) -> ActiveProvider:
    provider = registry.get(provider_id)
    if not provider.serves("llm"):
        raise ConfigurationError(
            f"{provider.label} cannot chat, so it cannot be a fallback.",
            next_step="Take it out of FALLBACK_CHAIN.",
            context=ErrorContext(field="FALLBACK_CHAIN", provider=provider_id),
        )
    chosen = model or values.get(f"FALLBACK_MODEL_{provider_id.upper()}") or provider.default_chat_model
    return ActiveProvider(
        provider=provider, service="llm", endpoint=provider.endpoint(values, "llm"), model=chosen, values=values
    )


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """What the last look at a provider showed. `checked_at` is seconds since 1970, `latency_s` the look itself."""

    provider: str
    role: str
    healthy: bool | None = None
    models: tuple[str, ...] = ()
    latency_s: float | None = None
    checked_at: float | None = None
    error: ArchonError | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON; `last_error` is the error's `to_dict`."""
        return {
            "provider": self.provider,
            "role": self.role,
            "healthy": self.healthy,
            "models": list(self.models),
            "latency_s": round(self.latency_s, 4) if self.latency_s is not None else None,
            "checked_at": self.checked_at,
            "last_error": self.error.to_dict() if self.error is not None else None,
        }


Look = Callable[[], Awaitable[Sequence[str]]]
"""Asks a provider for its models; raises ArchonError when it cannot."""


class HealthBoard:
    """Looks at the primary and its fallbacks in the background, and remembers what it saw."""

    def __init__(self, *, interval_s: float = 30.0, timeout_s: float = 5.0) -> None:
        self.interval_s = interval_s
        self.timeout_s = timeout_s
        self._looks: dict[str, Look] = {}
        self._seen: dict[str, LinkHealth] = {}

    def watch(self, provider: str, role: str, look: Look) -> None:
        """Look at `provider` from now on; `role` is 'primary' or 'fallback'."""
        self._looks[provider] = look
        self._seen[provider] = LinkHealth(provider, role)

    def seen(self) -> list[LinkHealth]:
        """The last look at each, in the order they were added."""
        return list(self._seen.values())

    def is_down(self, provider: str) -> bool:
        """Whether the last look failed; a provider nobody has looked at is not down."""
        known = self._seen.get(provider)
        return known is not None and known.healthy is False

    def note(self, provider: str, error: ArchonError | None) -> None:
        """Remember what a real request showed."""
        known = self._seen.get(provider)
        if known is not None:
            self._seen[provider] = LinkHealth(
                provider, known.role, error is None, known.models, known.latency_s, time.time(), error or known.error
            )

    async def look(self) -> list[LinkHealth]:
        """Look at all of them now, at the same time. Never raises for a provider that fails."""
        await asyncio.gather(*(self._look(provider) for provider in self._looks))
        return self.seen()

    async def run(self) -> None:
        """Look every `interval_s` seconds until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self.interval_s)

    async def _look(self, provider: str) -> None:
        known, began = self._seen[provider], time.monotonic()
        models: Sequence[str] = known.models
        error: ArchonError | None = None
        try:
            async with asyncio.timeout(self.timeout_s):
                models = await self._looks[provider]()
        except TimeoutError:
            error = ProviderTimeout(f"{provider} did not answer within {self.timeout_s:g} s.")
        except ArchonError as failure:
            error = failure
        self._seen[provider] = LinkHealth(
            provider,
            known.role,
            error is None,
            tuple(models),
            time.monotonic() - began,
            time.time(),
            error if error is not None else known.error,
        )


class FallbackChat:
    """A chat model that asks others in order when the first cannot answer; made for one request.

    `answered_by` is the model that is answering, once the first item of the stream has come; `failures` says why
    those before it did not.
    """

    def __init__(self, models: Sequence[ChatModel], board: HealthBoard | None = None) -> None:
        self._models = list(models)
        self._board = board
        self.answered_by: ChatModel = self._models[0]
        self.failures: list[tuple[str, ArchonError]] = []

    @property
    def model(self) -> str:
        """The model that answers."""
        return self.answered_by.model

    @property
    def provider(self) -> str:
        """The provider that answers."""
        return self.answered_by.provider

    async def max_model_len(self) -> int | None:
        """That of the chosen model: the prompt is built for it. None when it cannot be asked now."""
        try:
            return await self._models[0].max_model_len()
        except ArchonError as error:
            if len(self._models) > 1 and can_fall_back(error):
                return None
            raise

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens as the first model counts them that can be asked. Raises as ChatModel does."""
        for model in self._models[:-1]:
            try:
                return await model.count_tokens(messages)
            except ArchonError as error:
                if not can_fall_back(error):
                    raise
        return await self._models[-1].count_tokens(messages)

    async def stream(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncIterator[TextDelta | StreamEnd]:
        """Deltas of the first model that begins to answer, then its StreamEnd.

        Raises:
            ConfigurationError: no base URL or no model is set for the first one.
            ProviderError: none of them could begin; the error is the first one's.
        """
        for model in self._models:
            stream = model.stream(messages, options)
            try:
                first = await anext(stream)
            except ArchonError as error:
                self._note(model, error)
                if not can_fall_back(error):
                    raise
                continue
            self.answered_by = model
            self._note(model, None)
            yield first
            async for item in stream:
                yield item
            return
        raise self.failures[0][1]

    def _note(self, model: ChatModel, error: ArchonError | None) -> None:
        if error is not None:
            self.failures.append((model.provider, error))
        if self._board is not None:
            self._board.note(model.provider, error)


def check_same_space(wanted: EmbeddingIdentity, offered: EmbeddingIdentity, provider: str) -> None:
    """Let embeddings go another way only where it leads into the same space.

    Raises:
        UnsupportedFeature: its vectors could not be compared with the stored ones.
    """
    if wanted != offered:
        raise UnsupportedFeature(
            f"{provider} embeds with {offered.model} ({offered.dimensions} numbers), the store holds vectors of "
            f"{wanted.model} ({wanted.dimensions}): they cannot be compared.",
            next_step="Wait until the embedding server is back, or change the embedding model in Settings.",
            context=ErrorContext(provider=provider, model=offered.model),
        )
