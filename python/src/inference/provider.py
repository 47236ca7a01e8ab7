"""What a provider file declares. Settings, validation, forms, docs and contract tests are derived from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import httpx2

from src.errors import JsonValue

Capability: TypeAlias = Literal["chat", "completions", "embeddings", "rerank", "tools"]
Service: TypeAlias = Literal["llm", "embedding", "rerank"]
"""What a provider is chosen for; the words of v1's `get_active_provider`, and rerank."""

FieldKind: TypeAlias = Literal["url", "secret", "text", "model", "integer", "choice", "switch"]
Values: TypeAlias = Mapping[str, str]
"""Setting values in force by key (database over environment over default), blanks already left out."""

_ON = frozenset({"true", "1", "yes", "on"})
"""The environment's words for a switch; Settings store `true`."""

NEEDED_CAPABILITY: Mapping[Service, Capability] = {"llm": "chat", "embedding": "embeddings", "rerank": "rerank"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingField:
    """One setting of a provider. `key` is also the name of its environment variable."""

    key: str
    label: str
    kind: FieldKind
    help: str = ""
    placeholder: str = ""
    default: str | None = None
    required: bool = False
    capability: Capability | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEmbeddingModel:
    """Published facts about an embedding model; `dimension_choices` is empty where `dimensions` must not be sent."""

    name: str
    dimensions: int
    batch_limit: int = 2048
    max_tokens: int | None = None
    dimension_choices: tuple[int, ...] = ()
    query_prefix: str = ""
    passage_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a provider's API is and how to get in. `base_url` None: the SDK's own default address.

    `remedy` is what to do where nothing answers there, if the provider knows better than the error does.
    """

    base_url: str | None
    api_key: str | None
    remedy: str | None = None


EmbeddingWire: TypeAlias = Callable[
    [httpx2.AsyncClient, Endpoint, str, Sequence[str], int | None], Awaitable[list[list[float]]]
]
"""Embeds where the API is not OpenAI's: client, endpoint, model, texts, wanted size in; vectors out, same order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelListing:
    """How to list models, which is also the cheapest request that proves address and key.

    `url` None: `<base URL>/models`. `headers` makes the headers that carry the key. `names` reads the answer.
    """

    url: str | None = None
    headers: Callable[[str | None], Mapping[str, str]] = lambda key: {"Authorization": f"Bearer {key}"} if key else {}
    names: Callable[[JsonValue], tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSign:
    """A route below the server's root that only this kind has: `matches` knows it by its JSON answer."""

    path: str
    matches: Callable[[JsonValue], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What a self-hosted server tells about itself at its root, beside the OpenAI-compatible API below `/v1`.

    `version_path` answers JSON in which `version` reads the version. `tokenize_path` counts the tokens of what
    `tokenize_body` makes of a text, in an answer that `token_count` reads; where `template_path` is set it turns
    `{messages}` into the `{prompt}` that is counted, else `tokenize_path` takes messages too. `routes_by_get` says
    that GET on a POST route is 405 where the route exists and 404 where it does not; `neighbour_ports` are where the
    same kind of server is usually found. `sign` tells the kind apart where no version does. `continuation` are the
    parameters with which the server goes on with the last message instead of answering it; None where it cannot.
    `waiting_metric` is the Prometheus gauge at `/metrics` that counts the requests in its queue, `running_metric` the
    one of those at work, `cache_metric` the share of its KV cache that is used (0 to 1); `latency_metric` is the
    histogram of seconds to the first token.
    """

    name: str
    version_path: str | None = None
    version: Callable[[JsonValue], str | None] = lambda body: None
    tokenize_path: str | None = None
    tokenize_body: Callable[[str], Mapping[str, JsonValue]] = lambda text: {"prompt": text}
    token_count: Callable[[JsonValue], JsonValue] = lambda body: body.get("count") if isinstance(body, dict) else None
    template_path: str | None = None
    routes_by_get: bool = False
    neighbour_ports: tuple[int, ...] = ()
    sign: ServerSign | None = None
    continuation: Mapping[str, object] | None = None
    waiting_metric: str | None = None
    running_metric: str | None = None
    cache_metric: str | None = None
    latency_metric: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """Another way to a provider's servers that the setting `switch` turns on for `services`.

    `url` and `key` are the settings of its address and its API key. It leads to all servers at one address, which
    tells the abilities of each model; `remedy` is what to do where nothing answers there.
    """

    switch: str
    url: str
    key: str
    services: frozenset[Service]
    remedy: str

    def is_taken(self, values: Values, service: Service) -> bool:
        """Whether requests for `service` go this way."""
        return service in self.services and str(values.get(self.switch, "")).strip().lower() in _ON


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider: data, and code only where its wire differs.

    `endpoint` turns setting values into an address and a key for one service; it raises ConfigurationError
    when a required value is missing. `rank` is its place in lists, lowest first. `server` describes a self-hosted
    server; None for a cloud. `reasoning_models` are prefixes of names that take `max_completion_tokens` and no
    `temperature`. `query_prefix_key` and `passage_prefix_key` are the settings that override the declared prefixes
    of an embedding model. `keeps_v1_wire` marks the six providers whose requests must stay byte
    for byte what Archon v1 sent (client made by its exact call, SDK retries left on, odd defaults kept and
    said aloud). For all others there is no hidden fallback: retries are ours, a missing value is an error.
    `default_for` names the services that use this provider where none is chosen (one provider a service);
    `fallback_without_key` is the id of the provider that v1 asked instead when this one had no key. `detour` is
    another way to its servers.
    """

    id: str
    label: str
    summary: str
    docs_url: str
    source: str
    capabilities: frozenset[Capability]
    fields: tuple[SettingField, ...]
    endpoint: Callable[[Values, Service], Endpoint]
    chat_model_key: str
    embedding_model_key: str | None = None
    rerank_model_key: str | None = None
    local: bool = False
    keeps_v1_wire: bool = False
    default_chat_model: str | None = None
    default_embedding_model: str | None = None
    chat_models: tuple[str, ...] = ()
    embedding_models: tuple[KnownEmbeddingModel, ...] = ()
    default_for: frozenset[Service] = frozenset()
    fallback_without_key: str | None = None
    rank: int = 100
    listing: ModelListing = ModelListing()
    server: ServerFacts | None = None
    embedding_wire: EmbeddingWire | None = None
    reasoning_models: tuple[str, ...] = ()
    query_prefix_key: str | None = None
    passage_prefix_key: str | None = None
    detour: Detour | None = None

    def serves(self, service: Service) -> bool:
        """Whether the provider can be chosen for `service`."""
        return NEEDED_CAPABILITY[service] in self.capabilities

    def model_key(self, service: Service) -> str | None:
        """The setting that holds the model's name for `service`."""
        return {
            "llm": self.chat_model_key,
            "embedding": self.embedding_model_key,
            "rerank": self.rerank_model_key,
        }[service]

    def default_model(self, service: Service) -> str | None:
        """The model that is asked for where the setting is blank; None: found by asking the server."""
        if service == "llm":
            return self.default_chat_model
        return self.default_embedding_model if service == "embedding" else None


def detour_taken(provider: Provider, service: Service, values: Values | None) -> Detour | None:
    """The provider's other way, where requests for `service` take it with these values."""
    detour = provider.detour
    return detour if detour is not None and values is not None and detour.is_taken(values, service) else None


def url_field(provider: Provider, service: Service, values: Values | None = None) -> SettingField | None:
    """The setting that holds the address for `service`: its own where declared, else the common one.

    With `values` the one that is in force: that of the detour where it is taken, its own only where it is filled.
    """
    detour = detour_taken(provider, service, values)
    if detour is not None:
        return next(field for field in provider.fields if field.key == detour.url)
    aside = provider.detour.url if provider.detour is not None else None
    urls = [field for field in provider.fields if field.kind == "url" and field.key != aside]
    own = [field for field in urls if field.capability == NEEDED_CAPABILITY[service]]
    if values is not None:
        own = [field for field in own if values.get(field.key)]
    common = [field for field in urls if field.capability is None]
    return next(iter(own or common), None)


def secret_field(
    provider: Provider, service: Service | None = None, values: Values | None = None
) -> SettingField | None:
    """The setting that holds the key, with `service` and `values` the one in force; None for a provider without."""
    detour = detour_taken(provider, service, values) if service is not None else None
    wanted = detour.key if detour is not None else None
    secrets = (field for field in provider.fields if field.kind == "secret" and wanted in (None, field.key))
    return next(secrets, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveProvider:
    """A provider chosen for a service, with the values in force: all that a client needs.

    `model` None: the setting is blank, and the one served model is used (discovered by asking).
    `values` holds every setting of the provider; secrets in it never leave the process.
    """

    provider: Provider
    service: Service
    endpoint: Endpoint
    model: str | None
    values: Values
