"""The client for the chosen provider, made as Archon v1 made it; what it raises is typed where it leaves.

The names here are a public seam: other code imports and replaces them. Which providers there are, and how each is
reached, stands in the provider files.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import openai
import structlog
from openai import AsyncOpenAI, OpenAIError

from src.errors import ArchonError, ConfigurationError, ErrorContext, JsonValue, ProviderError
from src.inference.client import client_arguments, private
from src.inference.discovery import list_models, resolve_model
from src.inference.provider import ActiveProvider, Provider, Service, url_field
from src.inference.sdk_errors import typed_sdk_error

from . import active_provider
from .credential_service import credential_service
from .embedding_model_names import (
    get_supported_embedding_models,
    is_google_embedding_model,
    is_openai_embedding_model,
    is_valid_embedding_model_for_provider,
)
from .llm_connection import Connection, connect, has_key, is_complete, is_of_the_sdk, reads_settings, usable_model_name
from .outcome import outcome
from .problems import UnusableSetting, as_value_error, unsupported
from .reasoning_text import (
    extract_json_from_reasoning,
    extract_message_text,
    is_reasoning_model,
    prepare_chat_completion_params,
    requires_max_completion_tokens,
    synthesize_json_from_reasoning,
)

__all__ = [
    "clear_provider_cache",
    "credential_service",
    "extract_json_from_reasoning",
    "extract_message_text",
    "get_cache_security_report",
    "get_cache_stats",
    "get_embedding_model",
    "get_embedding_model_with_routing",
    "get_llm_client",
    "get_supported_embedding_models",
    "invalidate_provider_cache",
    "is_google_embedding_model",
    "is_openai_embedding_model",
    "is_reasoning_model",
    "is_valid_embedding_model_for_provider",
    "prepare_chat_completion_params",
    "requires_max_completion_tokens",
    "synthesize_json_from_reasoning",
    "validate_provider_instance",
]

_CACHE_TTL_SECONDS = 300
_RAG = "rag_strategy"

_settings_cache: dict[str, tuple[object, float, str]] = {}
"""Settings by cache key, each with the time it was put there and a checksum."""

_log = structlog.get_logger("archon.server.providers")


def _checksum(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _get_cached_settings(key: str) -> object:
    entry = _settings_cache.get(key)
    if entry is None:
        return None
    value, stored_at, checksum = entry
    if time.time() - stored_at < _CACHE_TTL_SECONDS and checksum == _checksum(value):
        return value
    del _settings_cache[key]
    return None


def _set_cached_settings(key: str, value: object) -> None:
    _settings_cache[key] = (value, time.time(), _checksum(value))


def clear_provider_cache() -> None:
    """Forget all cached settings, so that the next client is made from the stored ones."""
    _settings_cache.clear()


credential_service.on_change(clear_provider_cache)


@asynccontextmanager
async def get_llm_client(
    provider: str | None = None,
    use_embedding_provider: bool = False,
    instance_type: str | None = None,
    base_url: str | None = None,
) -> AsyncIterator[AsyncOpenAI]:
    """The SDK's client for `provider`, or for the active one of chat or of embeddings. `base_url` has no effect.

    Raises:
        ConfigurationError (a ValueError too): unknown provider, or a value it needs is missing; nothing was sent.
        ProviderError: what the SDK raised inside the block, typed; it is also of the SDK's own class.
        StoreError: the settings could not be read.
    """
    connection, client = await _open(provider, use_embedding_provider, instance_type)
    try:
        yield client
    except (OpenAIError, json.JSONDecodeError) as error:
        if isinstance(error, ArchonError) or not is_of_the_sdk(error):
            raise
        raise typed_sdk_error(error, await _place_of(connection), secrets=connection.secrets()) from error
    except (ConfigurationError, ProviderError) as error:
        connection.place(error)
        raise
    finally:
        await _close(client, connection.provider)


async def _place_of(connection: Connection) -> ErrorContext:
    settings = await outcome(_rag_settings()) if connection.provider.detour is not None else {}
    return connection.context({} if isinstance(settings, Exception) else settings)


async def _open(
    provider: str | None, use_embedding_provider: bool, instance_type: str | None
) -> tuple[Connection, AsyncOpenAI]:
    name, api_key, base_url = await _configuration(provider, "embedding" if use_embedding_provider else "llm")
    found = active_provider.find(name)
    if found is None:
        raise unsupported(str(name))
    service: Service = "embedding" if use_embedding_provider or instance_type == "embedding" else "llm"
    if found.fallback_without_key is not None and not has_key(found, api_key):
        return await _open_fallback(found, service)
    settings = await _rag_settings() if reads_settings(found) else {}
    connection = connect(found, service, api_key=api_key, base_url=base_url, settings=settings)
    return connection, _make(connection)


async def _open_fallback(provider: Provider, service: Service) -> tuple[Connection, AsyncOpenAI]:
    """v1 asked another provider where this one had no key; kept, and said aloud."""
    other = active_provider.find(provider.fallback_without_key)
    _log.warning("fallback_without_key", provider=provider.id, fallback=provider.fallback_without_key)
    opened = await outcome(_open_keyless(other, service, provider))
    if not isinstance(opened, Exception):
        return opened
    label = other.label if other is not None else "The"
    raise UnusableSetting(
        f"{provider.label} API key not found and {label} fallback failed",
        next_step="Enter the key in Settings, or choose another provider.",
        context=ErrorContext(provider=provider.id),
    ) from opened


async def _open_keyless(other: Provider | None, service: Service, missing: Provider) -> tuple[Connection, AsyncOpenAI]:
    if other is None:
        raise unsupported(str(missing.fallback_without_key))
    # v1 used the default address where the settings could not be read.
    settings = await outcome(_rag_settings())
    if isinstance(settings, Exception):
        _log.warning("fallback_settings_unreadable", provider=other.id, reason=str(settings))
        settings = {}
    opened = connect(other, service, api_key=None, base_url=None, settings=settings)
    connection = Connection(other, service, opened.endpoint, stands_in_for=missing)
    return connection, _make(connection)


def _make(connection: Connection) -> AsyncOpenAI:
    """By exactly v1's call for the six older providers; one's own servers share connections and do not retry."""
    endpoint = connection.endpoint
    if not connection.provider.keeps_v1_wire:
        return private(openai.AsyncOpenAI(**client_arguments(endpoint)))
    if endpoint.base_url is None:
        return openai.AsyncOpenAI(api_key=endpoint.api_key)
    return openai.AsyncOpenAI(api_key=endpoint.api_key, base_url=endpoint.base_url)


async def _close(client: object, provider: Provider) -> None:
    close = getattr(client, "aclose", None) or getattr(client, "close", None)
    if close is None:
        return

    async def closing() -> None:
        closed = close()
        if inspect.isawaitable(closed):
            await closed

    failure = await outcome(closing())
    if isinstance(failure, Exception):
        _log.warning("client_not_closed", provider=provider.id, reason=str(failure))


async def _configuration(provider: str | None, service: Service) -> tuple[object, object, object]:
    """Name, key and base URL: of the named provider from its settings, else of the active one."""
    if provider is None or provider == "":
        config = await _active_config(service)
        return config.get("provider"), config.get("api_key"), config.get("base_url")
    found = active_provider.find(provider)
    if found is None:
        raise unsupported(str(provider))
    api_key = await credential_service._get_provider_api_key(provider)
    settings = await _rag_settings()
    if reads_settings(found):
        return provider, api_key, None
    if found.keeps_v1_wire:
        return provider, api_key, credential_service._get_provider_base_url(provider, settings)
    return provider, api_key, credential_service._get_provider_base_url(provider, settings, service)


async def _active_config(service: Service) -> Mapping[str, object]:
    key = f"provider_config_{service}"
    cached = _get_cached_settings(key)
    if isinstance(cached, Mapping):
        return cached
    config: Mapping[str, object] = await credential_service.get_active_provider(service)
    if is_complete(config, service):
        _set_cached_settings(key, config)
    return config


async def _rag_settings() -> Mapping[str, object]:
    cached = _get_cached_settings("rag_strategy_settings")
    if isinstance(cached, Mapping):
        return cached
    settings: object = await credential_service.get_credentials_by_category(_RAG)
    if not isinstance(settings, Mapping):
        return {}
    _set_cached_settings("rag_strategy_settings", settings)
    return settings


async def get_embedding_model(provider: str | None = None) -> str:
    """The embedding model in force: the stored one, else the provider's default.

    For the six older providers anything that fails gives v1's default name, which is logged; for all others:

    Raises:
        ConfigurationError (a ValueError too): no model is set and not exactly one is served.
        ProviderError, StoreError: the server or the settings could not be asked.
    """
    hint = _known_provider(provider)  # before the cache forgets which one it was
    config = await outcome(_embedding_config(provider))
    if isinstance(config, Exception):
        if hint is not None and not hint.keeps_v1_wire:
            raise config
        model = active_provider.v1_embedding_model()
        _log.warning("default_embedding_model", provider=provider, model=model, reason=str(config))
        return model
    found = active_provider.find(config.get("provider"))
    stored = config.get("embedding_model")
    if found is None or found.keeps_v1_wire:
        default = found.default_embedding_model if found is not None else None
        return usable_model_name(stored) or default or active_provider.v1_embedding_model()
    name = stored.strip() if isinstance(stored, str) else ""
    return name or await _served_model(found, config)


async def _embedding_config(provider: str | None) -> Mapping[str, object]:
    if not provider:
        return await _active_config("embedding")
    found = active_provider.find(provider)
    stored = None if found is None else _stored_model(found, await _rag_settings())
    return {"provider": provider, "embedding_model": stored}


def _stored_model(provider: Provider, settings: Mapping[str, object]) -> object:
    key = provider.model_key("embedding") or ""
    stored = settings.get(key)
    return stored if stored or provider.keeps_v1_wire else credential_service.setting(key, settings)


async def _served_model(provider: Provider, config: Mapping[str, object]) -> str:
    named = config if "base_url" in config else None
    api_key, base_url = (
        (named.get("api_key"), named.get("base_url"))
        if named is not None
        else (await _configuration(provider.id, "embedding"))[1:]
    )
    connection = connect(provider, "embedding", api_key=api_key, base_url=base_url, settings={})
    active = ActiveProvider(provider=provider, service="embedding", endpoint=connection.endpoint, model=None, values={})
    try:
        return await resolve_model(active)
    except ConfigurationError as error:
        raise as_value_error(error) from error


def _known_provider(provider: str | None) -> Provider | None:
    """The embedding provider as far as it is known without asking: named, cached, or in the environment."""
    entry = _settings_cache.get("provider_config_embedding")
    config = entry[0] if entry else None
    named = provider or (config.get("provider") if isinstance(config, Mapping) else None)
    return active_provider.find(named) or active_provider.named_in_environment("embedding")


async def get_embedding_model_with_routing(
    provider: str | None = None, instance_url: str | None = None
) -> tuple[str, str | None]:
    """The embedding model and the address to ask it at, None for the provider's own. Raises as the former does."""
    return await get_embedding_model(provider), instance_url


async def validate_provider_instance(provider: str, instance_url: str | None = None) -> dict[str, JsonValue]:
    """Ask a provider for its models; what failed stands in `error_message`."""
    started = time.monotonic()
    listed = await outcome(_listed(provider, instance_url))
    failed = isinstance(listed, Exception)
    return {
        "provider": provider,
        "instance_url": instance_url,
        "is_available": not failed,
        "response_time_ms": round((time.monotonic() - started) * 1000, 1),
        "models_available": 0 if isinstance(listed, Exception) else listed,
        "error_message": str(listed) if failed else None,
        "validation_timestamp": datetime.now(UTC).isoformat(),
    }


async def _listed(provider: str, instance_url: str | None) -> int:
    found = active_provider.find(provider)
    if found is None:
        raise unsupported(provider)
    _, api_key, base_url = await _configuration(provider, "llm")
    address = url_field(found, "llm")
    settings = {address.key: instance_url} if address and instance_url else await _rag_settings()
    connection = connect(found, "llm", api_key=api_key, base_url=instance_url or base_url, settings=settings)
    return len(await list_models(found, connection.endpoint))


def invalidate_provider_cache(provider: str | None = None) -> None:
    """Forget what is cached of `provider`, or everything."""
    if provider is None:
        clear_provider_cache()
        return
    for key, (value, _, _) in list(_settings_cache.items()):
        if key == "rag_strategy_settings" or (isinstance(value, Mapping) and value.get("provider") == provider):
            del _settings_cache[key]


def get_cache_stats() -> dict[str, JsonValue]:
    """How many entries are cached, how many of them are still believed, and for how many seconds they are."""
    ages = [time.time() - stored_at for _, stored_at, _ in _settings_cache.values()]
    fresh = sum(age < _CACHE_TTL_SECONDS for age in ages)
    keys: list[JsonValue] = list(_settings_cache)
    return {
        "total_entries": len(ages),
        "fresh_entries": fresh,
        "stale_entries": len(ages) - fresh,
        "cache_keys": keys,
        "ttl_seconds": _CACHE_TTL_SECONDS,
    }


def get_cache_security_report() -> dict[str, JsonValue]:
    """Which cached entries no longer have the checksum they were stored with."""
    changed: list[JsonValue] = [
        key for key, (value, _, checksum) in _settings_cache.items() if checksum != _checksum(value)
    ]
    return {"timestamp": time.time(), "total_entries": len(_settings_cache), "integrity_violations": changed}
