"""From settings in v1's shapes to the provider in use: what `get_active_provider` and its parts decide."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from src.config import Environment, load_environment
from src.errors import ArchonError, ConfigurationError
from src.inference.discovery import resolve_model
from src.inference.provider import ActiveProvider, Endpoint, Provider, Service, secret_field, url_field
from src.inference.registry import Registry, load_registry
from src.settings import Catalog, Snapshot
from src.settings.catalog import PROVIDER_KEYS
from src.settings.choice import choose
from src.settings.resolve import resolve
from src.settings.values import Stored

from .problems import as_value_error, unsupported

DISCOVERY_S = 5.0
"""How long a question about settings waits for a server to name its model."""

_log = structlog.get_logger("archon.server.providers")


def registry() -> Registry:
    """All providers."""
    return load_registry()


def find(provider_id: object) -> Provider | None:
    """The provider of that id, None where there is none."""
    return next((provider for provider in registry().all() if provider.id == provider_id), None)


def declared_keys() -> frozenset[str]:
    """The keys of all settings that providers declare, and of the choices between them."""
    return frozenset(Catalog.of(registry()).fields)


def snapshot_of(environment: Environment, *settings: Mapping[str, object]) -> Snapshot:
    """Values in force where `settings` are what is stored, the first that holds a text wins."""
    catalog = Catalog.of(registry())
    stored: dict[str, Stored] = {}
    for key in catalog.fields:
        texts = (text for source in settings if isinstance(text := source.get(key), str) and text.strip())
        text = next(texts, None)
        if text is not None:
            stored[key] = Stored(text)
    return resolve(catalog, stored, environment)


def default_id(service: Service) -> str:
    """Id of the provider that `service` uses where none is chosen."""
    return next((one.id for one in registry().all() if service in one.default_for), "")


def v1_embedding_model() -> str:
    """The model name that v1 used when it could not find out which one is meant."""
    name = next((one.default_embedding_model for one in registry().all() if "embedding" in one.default_for), None)
    return name or ""


def named_in_environment(service: Service) -> Provider | None:
    """The provider that the environment names for `service`."""
    return find(load_environment().get(PROVIDER_KEYS[service]))


def chosen(snapshot: Snapshot, service: Service) -> Provider:
    """The provider of `service`; where v1 quietly took its default for a wrong value, that is logged.

    Raises:
        ConfigurationError: the chosen provider does not exist; also a ValueError, in v1's words.
    """
    named = snapshot.text(PROVIDER_KEYS[service]) or ""
    try:
        choice = choose(Catalog.of(registry()), snapshot, service)
    except ConfigurationError as error:
        raise (as_value_error(error) if find(named) else unsupported(named)) from error
    for notice in choice.notices:
        _log.warning(notice.code, message=notice.message, next_step=notice.next_step)
    return choice.provider


def base_url_of(provider: Provider, snapshot: Snapshot, service: Service) -> str | None:
    """The base URL of `provider` for `service`; None for the SDK's own address. The key plays no part in it.

    Raises:
        ConfigurationError: the provider needs an address and none is set, or it cannot be read.
    """
    values = snapshot.in_force()
    key = secret_field(provider)
    if key is not None:
        values[key.key] = "none"
    try:
        return provider.endpoint(values, service).base_url
    except ConfigurationError as error:
        raise as_value_error(error.with_context(provider=provider.id)) from error  # type: ignore[arg-type]


def keyless_key(provider: Provider) -> str | None:
    """What a provider without a key setting sends in place of a key."""
    if secret_field(provider) is not None or url_field(provider, "llm") is None:
        return None
    return provider.endpoint({}, "llm").api_key


def model_setting(provider: Provider, snapshot: Snapshot, service: Service, settings: Mapping[str, object]) -> str:
    """The stored model, '' for none. A local provider of v1 also had a setting of its own for chat."""
    model: object = snapshot.text(provider.model_key(service))
    if model is None and service == "llm" and provider.local and provider.keeps_v1_wire:
        model = settings.get(f"{provider.id.upper()}_CHAT_MODEL")
    return model.strip() if isinstance(model, str) else ""


async def served_model(provider: Provider, endpoint: Endpoint, service: Service) -> str:
    """The one model that a server serves; '' where it cannot say now, which is logged."""
    active = ActiveProvider(provider=provider, service=service, endpoint=endpoint, model=None, values={})
    try:
        async with asyncio.timeout(DISCOVERY_S):
            return await resolve_model(active)
    except (ArchonError, TimeoutError) as error:
        _log.warning("model_not_discovered", provider=provider.id, service=service, reason=str(error))
        return ""
