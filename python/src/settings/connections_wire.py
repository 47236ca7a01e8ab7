"""How a connection is spoken to: its provider with the connection's own address and key in place of the settings."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from src.errors import ArchonError, ConfigurationError, ErrorContext
from src.inference.address import parse_address
from src.inference.chat import build_chat_model
from src.inference.client import Deadlines
from src.inference.endpoints import own_server
from src.inference.models import ChatMessage, ChatModel, ChatOptions, StreamEnd, TextDelta
from src.inference.provider import ActiveProvider, Endpoint, Provider, ServerFacts, Service, SettingField, Values

_FIELDS = (
    SettingField(key="base_url", label="Server address", kind="url"),
    SettingField(key="api_key", label="API key", kind="secret"),
    SettingField(key="model", label="Model", kind="model", capability="chat"),
)
_LONGEST_ANSWER_S = 900.0

COMPATIBLE = Provider(
    id="compatible",
    label="OpenAI-compatible server",
    summary="Any server that speaks OpenAI's API.",
    docs_url="https://developers.openai.com/api/reference/",
    source="what every server here is asked for: /v1/models and /v1/chat/completions",
    capabilities=frozenset({"chat"}),
    fields=_FIELDS,
    endpoint=own_server("model", url="base_url", key="api_key"),
    chat_model_key="model",
    rank=1000,
    server=ServerFacts(name="OpenAI-compatible server"),
)
"""The kind of a server that has no provider of its own. Only connections know it: Settings choose among providers."""


def kinds(providers: Iterable[Provider]) -> dict[str, Provider]:
    """What a connection can lead to, by id: every provider that chats, and the kind of all other servers."""
    return {one.id: one for one in (*(one for one in providers if one.serves("llm")), COMPATIBLE)}


def own_address(provider: Provider) -> str | None:
    """The base URL of a cloud's API; None for servers of one's own."""
    if provider.server is not None:
        return None
    secret = next((field.key for field in provider.fields if field.kind == "secret"), "")
    listed = (provider.listing.url or "").removesuffix("/models")
    return provider.endpoint({secret: "-"}, "llm").base_url or listed or None


def target(provider: Provider, base_url: str | None) -> str:
    """Where requests go, in one spelling: what a stored key was meant for."""
    if not base_url or _is_own(provider, base_url):
        return provider.id
    return parse_address(base_url).root


def wired(provider: Provider, base_url: str | None) -> Provider:
    """`provider` whose settings are `base_url`, `api_key` and `model`, so that checks and fixes speak of those."""
    common = replace(provider, fields=_FIELDS, chat_model_key="model", embedding_model_key=None, detour=None)
    if provider.server is None and (not base_url or _is_own(provider, base_url)):
        return replace(common, endpoint=_Cloud(provider))
    # A cloud's list of models has an absolute address, and v1's client reads the cloud's key from the environment:
    # neither may reach another server.
    listing = replace(provider.listing, url=None)
    return replace(
        common, listing=listing, keeps_v1_wire=False, endpoint=own_server("model", url="base_url", key="api_key")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a connection asks of every answer. `max_tokens` is the most, `temperature` counts where none is named."""

    timeout_s: float
    max_tokens: int | None = None
    temperature: float | None = None

    @property
    def deadlines(self) -> Deadlines:
        """The silence that is borne; a whole answer may take longer."""
        return Deadlines(
            first_event_s=self.timeout_s, gap_s=self.timeout_s, total_s=max(self.timeout_s, _LONGEST_ANSWER_S)
        )


class ConnectionChatModel:
    """A chat model that keeps to a connection's limits, and whose failures name the connection."""

    def __init__(self, connection_id: str, active: ActiveProvider, limits: Limits) -> None:
        self._inner: ChatModel = build_chat_model(active, deadlines=limits.deadlines)
        self.connection_id = connection_id
        self.limits = limits

    @property
    def model(self) -> str:
        return self._inner.model

    @property
    def provider(self) -> str:
        return self._inner.provider

    async def max_model_len(self) -> int | None:
        """Prompt and answer together, in tokens. Raises ConfigurationError, ProviderError."""
        try:
            return await self._inner.max_model_len()
        except ArchonError as error:
            raise self._named(error) from error.__cause__

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of the prompt with its template. Raises ConfigurationError, ProviderError."""
        try:
            return await self._inner.count_tokens(messages)
        except ArchonError as error:
            raise self._named(error) from error.__cause__

    async def stream(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncIterator[TextDelta | StreamEnd]:
        """Deltas, then exactly one StreamEnd. Raises ConfigurationError, ProviderError as the protocol says."""
        deltas = self._inner.stream(messages, self._within(options))
        try:
            async for item in deltas:
                if isinstance(item, StreamEnd) and item.error is not None:
                    self._named(item.error)
                yield item
        except ArchonError as error:
            raise self._named(error) from error.__cause__
        finally:
            if isinstance(deltas, AsyncGenerator):
                await deltas.aclose()

    def _within(self, options: ChatOptions) -> ChatOptions:
        most = [count for count in (options.max_tokens, self.limits.max_tokens) if count is not None]
        temperature = self.limits.temperature if options.temperature is None else options.temperature
        return replace(options, max_tokens=min(most, default=None), temperature=temperature)

    def _named(self, error: ArchonError) -> ArchonError:
        return error.with_context(connection=self.connection_id)


def limits_of(model: ChatModel) -> Limits | None:
    """What the connection that `model` belongs to asks of every answer; None where it belongs to none."""
    return model.limits if isinstance(model, ConnectionChatModel) else None


def active_of(provider: Provider, base_url: str | None, key: str | None, model: str | None) -> ActiveProvider:
    """All that a client needs. Raises ConfigurationError where a key is missing."""
    values = values_of(base_url, key, model)
    wire = wired(provider, base_url)
    return ActiveProvider(
        provider=wire, service="llm", endpoint=wire.endpoint(values, "llm"), model=model, values=values
    )


def values_of(base_url: str | None, key: str | None, model: str | None) -> Mapping[str, str]:
    """A connection as the settings of its wired provider, blanks left out."""
    named = {"base_url": base_url, "api_key": key, "model": model}
    return {name: text for name, text in named.items() if text}


def _is_own(provider: Provider, base_url: str) -> bool:
    own = own_address(provider)
    return own is not None and urlsplit(own).hostname == parse_address(base_url).host


class _Cloud:
    """A cloud's own endpoint, asked with the connection's key."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._secret = next((field.key for field in provider.fields if field.kind == "secret"), "")

    def __call__(self, values: Values, service: Service) -> Endpoint:
        try:
            return self._provider.endpoint({self._secret: values.get("api_key", "")}, service)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{self._provider.label} wants an API key, and this connection has none",
                next_step="Enter the key in the connection.",
                context=ErrorContext(field="api_key", provider=self._provider.id),
            ) from error
