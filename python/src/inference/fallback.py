"""The fallback chain: other providers, asked in order when the chosen one cannot answer a chat.

Shared by the server's own chat (`FallbackChat`) and the gateway, which relays bytes and only needs the links. Who
answered is always told: nothing falls back silently. Embeddings have no chain: another model's vectors are no
substitute, so they may only go to another way into the same embedding space (`check_same_space`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from src.errors import (
    ArchonError,
    ConfigurationError,
    ErrorContext,
    JsonValue,
    ProtocolError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    ServerFailure,
    UnsupportedFeature,
)

from .models import ChatMessage, ChatModel, ChatOptions, EmbeddingIdentity, StreamEnd, TextDelta
from .provider import ActiveProvider, Provider, SettingField, Values
from .registry import Registry

T = TypeVar("T")
SWITCH = "ENABLE_FALLBACK"
CHAIN = "FALLBACK_CHAIN"
INTERVAL = "HEALTH_CHECK_INTERVAL"
TIMEOUT = "HEALTH_CHECK_TIMEOUT"

_CANNOT_ANSWER = (ProviderUnavailable, ProviderTimeout, ServerFailure, RateLimited, QuotaExhausted, ProtocolError)
_TRUE = frozenset({"1", "true", "yes", "on"})


def can_fall_back(error: ArchonError) -> bool:
    """Whether another provider may be asked: the first cannot answer. A refused request or key is no such case."""
    return isinstance(error, _CANNOT_ANSWER) or error.code == "overloaded"


def model_key_of(provider_id: str) -> str:
    """The setting that holds the model a provider is asked for as a fallback."""
    return f"FALLBACK_MODEL_{provider_id.upper()}"


def fallback_fields(providers: Sequence[Provider]) -> tuple[SettingField, ...]:
    """The settings of the chain: whether, who, with which models, and how often they are looked at."""
    chatting = [provider for provider in providers if provider.serves("llm")]
    return (
        SettingField(
            key=SWITCH,
            label="Ask other providers when the chosen one cannot answer",
            kind="switch",
            default="false",
            capability="chat",
            help="Only for answers, never for embeddings: vectors of another model could not be compared.",
        ),
        SettingField(
            key=CHAIN,
            label="Providers to ask then",
            kind="text",
            capability="chat",
            placeholder=",".join(provider.id for provider in chatting if not provider.local)[:40],
            help=f"In this order, separated by commas. Known: {', '.join(provider.id for provider in chatting)}.",
        ),
        *(
            SettingField(
                key=model_key_of(provider.id),
                label=f"Model of {provider.label} as a fallback",
                kind="model",
                capability="chat",
                help="Blank: the provider's default, or the one model that its server serves.",
            )
            for provider in chatting
        ),
        SettingField(
            key=INTERVAL,
            label="Seconds between looks at the providers",
            kind="integer",
            default="30",
            capability="chat",
        ),
        SettingField(key=TIMEOUT, label="Seconds that a look may take", kind="integer", default="5", capability="chat"),
    )


def is_enabled(values: Values) -> bool:
    """Whether there is a chain at all."""
    return values.get(SWITCH, "").strip().lower() in _TRUE


def ids_in(chain: str) -> tuple[str, ...]:
    """The providers that `chain` names, each once."""
    return tuple(dict.fromkeys(part.strip() for part in chain.split(",") if part.strip()))


def chain_of(values: Values, registry: Registry, models: Mapping[str, str] | None = None) -> tuple[ActiveProvider, ...]:
    """The providers of FALLBACK_CHAIN in their order; empty unless ENABLE_FALLBACK. `models`: names by provider id.

    Raises:
        ConfigurationError: a name is no provider, or a provider lacks an address, a key or a model.
    """
    return links(ids_in(values.get(CHAIN, "")), values, registry, models or {}) if is_enabled(values) else ()


def links(
    ids: Sequence[str], values: Values, registry: Registry, models: Mapping[str, str]
) -> tuple[ActiveProvider, ...]:
    """The named providers ready for use. Raises as `chain_of` does."""
    return tuple(link_to(provider_id, values, registry, models.get(provider_id)) for provider_id in ids)


def link_to(provider_id: str, values: Values, registry: Registry, model: str | None = None) -> ActiveProvider:
    """One provider of the chain ready for use. Raises as `chain_of` does."""
    provider = registry.get(provider_id)
    if not provider.serves("llm"):
        raise ConfigurationError(
            f"{provider.label} cannot chat, so it cannot be a fallback.",
            next_step=f"Take it out of {CHAIN}.",
            context=ErrorContext(field=CHAIN, provider=provider_id),
        )
    chosen = model or values.get(model_key_of(provider_id)) or provider.default_chat_model
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

    def to_dict(self) -> dict[str, JsonValue]:
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

    def watch_only(self, looks: Mapping[str, tuple[str, Look]]) -> None:
        """Look at exactly these from now on (role and look by provider); what is known of those that stay is kept."""
        known = self._seen
        self._looks, self._seen = {}, {}
        for provider, (role, look) in looks.items():
            self.watch(provider, role, look)
            before = known.get(provider)
            if before is not None:
                self._seen[provider] = replace(before, role=role)

    def seen(self) -> list[LinkHealth]:
        """The last look at each, in the order they were added."""
        return list(self._seen.values())

    def is_fresh(self, now: float) -> bool:
        """Whether all were looked at within the interval; `now` is seconds since 1970."""
        return all(one.checked_at is not None and now - one.checked_at < self.interval_s for one in self._seen.values())

    def is_down(self, provider: str) -> bool:
        """Whether the last look failed; a provider nobody has looked at is not down."""
        known = self._seen.get(provider)
        return known is not None and known.healthy is False

    def error_of(self, provider: str) -> ArchonError | None:
        """Why the last look failed; None where it did not."""
        known = self._seen.get(provider)
        return known.error if known is not None and known.healthy is False else None

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

    `answered_by` is the model that is answering, once the first item of the stream has come, and before that the one
    that will be asked first; `failures` says why those before it did not. One that failed at counting tokens is not
    asked again for this request, so that the prompt is built for the model that gets it. Those that the board knows
    to be down are asked last. `on_answer` is called when an answer begins.
    """

    def __init__(
        self,
        models: Sequence[ChatModel],
        board: HealthBoard | None = None,
        on_answer: Callable[[FallbackChat], None] | None = None,
    ) -> None:
        self._on_answer = on_answer
        down = [model for model in models if board is not None and board.is_down(model.provider)]
        self._waiting = [model for model in models if model not in down] + down
        self._board = board
        self._chosen = models[0].provider
        self.answered_by: ChatModel = self._waiting[0]
        self.failures = [
            (model.provider, error) for model in down if board and (error := board.error_of(model.provider))
        ]

    @property
    def model(self) -> str:
        """The model that answers."""
        return self.answered_by.model

    @property
    def provider(self) -> str:
        """The provider that answers."""
        return self.answered_by.provider

    async def max_model_len(self) -> int | None:
        """That of the first model that can be asked: the prompt is built for it. Raises as ChatModel does."""
        return await self._first_able(lambda model: model.max_model_len())

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens as the first model counts them that can be asked. Raises as ChatModel does."""
        return await self._first_able(lambda model: model.count_tokens(messages))

    async def stream(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncIterator[TextDelta | StreamEnd]:
        """Deltas of the first model that begins to answer, then its StreamEnd.

        Raises:
            ConfigurationError: no base URL or no model is set for the first one.
            ProviderError: none of them could begin; the error is the first one's.
        """
        while True:
            stream = self.answered_by.stream(messages, options)
            try:
                first = await anext(stream)
            except ArchonError as error:
                self._go_on_after(error)
                continue
            self._note(None)
            if self._on_answer is not None:
                self._on_answer(self)
            # Closing this iterator has to close that one: it is what stops the model.
            try:
                yield first
                async for item in stream:
                    yield item
            finally:
                if isinstance(stream, AsyncGenerator):
                    await stream.aclose()
            return

    async def _first_able(self, ask: Callable[[ChatModel], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask(self.answered_by)
            except ArchonError as error:
                self._go_on_after(error)

    def _go_on_after(self, error: ArchonError) -> None:
        """Turn to the next model. Raises the first failure when there is none, `error` when no other may be asked."""
        self._note(error)
        if not can_fall_back(error):
            raise error
        self._waiting.pop(0)
        if not self._waiting:
            raise next((first for provider, first in self.failures if provider == self._chosen), error)
        self.answered_by = self._waiting[0]

    def _note(self, error: ArchonError | None) -> None:
        if error is not None:
            self.failures.append((self.provider, error))
        # A refused request says nothing against the provider.
        if self._board is not None and (error is None or can_fall_back(error)):
            self._board.note(self.provider, error)


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
