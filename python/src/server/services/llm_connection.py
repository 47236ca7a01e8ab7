"""Where a client goes: decided from settings, before anything is made or sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from openai import OpenAIError

from src.config import load_environment
from src.errors import ArchonError, ConfigurationError, ErrorContext, ProviderError
from src.inference.address import clean_key, parse_address
from src.inference.client import NO_MODEL
from src.inference.provider import Endpoint, Provider, Service, secret_field, url_field

from . import active_provider
from .problems import UnusableSetting, as_value_error

_MAX_MODEL_NAME = 100
_log = structlog.get_logger("archon.server.providers")


@dataclass(frozen=True, slots=True)
class Connection:
    """A provider, the service it is asked for, and where it is. It may stand in for one that has no key."""

    provider: Provider
    service: Service
    endpoint: Endpoint = field(repr=False)
    stands_in_for: Provider | None = None

    def context(self, settings: Mapping[str, object]) -> ErrorContext:
        """Where a failure of this connection happened, and what to do where nothing answers there.

        Settings are looked through only here: a call that goes well must not pay for it.
        """
        remedy = _remedy(self.provider, self.endpoint, settings)
        return ErrorContext(provider=self.provider.id, operation=self.service, remedy=remedy)

    def place(self, error: ArchonError) -> None:
        """Write this connection into an error that our own hooks raised on its way; others know their place."""
        if error.context.provider is not None:
            return
        if error.context.operation == NO_MODEL:
            error.with_context(provider=self.provider.id, field=self.provider.model_key(self.service))
        elif isinstance(error, ProviderError):
            error.with_context(provider=self.provider.id, operation=self.service)

    def secrets(self) -> tuple[str, ...]:
        """What must not stand in any text about it."""
        return (self.endpoint.api_key,) if self.endpoint.api_key else ()


def connect(
    provider: Provider, service: Service, *, api_key: object, base_url: object, settings: Mapping[str, object]
) -> Connection:
    """The connection to `provider`, given its key, its base URL and the settings it reads its address from.

    Raises:
        ConfigurationError (a ValueError too): the address or the key is missing or cannot be used; nothing was sent.
    """
    try:
        return Connection(provider, service, _endpoint(provider, service, api_key, base_url, settings))
    except ConfigurationError as error:
        raise as_value_error(_placed(error, provider)) from error


def is_of_the_sdk(error: Exception) -> bool:
    """Whether the SDK raised it. It lets the JSON module's error pass, which any code in the block may raise too."""
    if isinstance(error, OpenAIError):
        return True
    step = error.__traceback__
    while step is not None:
        if str(step.tb_frame.f_globals.get("__name__")).startswith("openai."):
            return True
        step = step.tb_next
    return False


def has_key(provider: Provider, api_key: object) -> bool:
    """Whether there is a key, or none is needed."""
    return secret_field(provider) is None or bool(isinstance(api_key, str) and api_key.strip())


def checked_key(provider: Provider, api_key: object) -> str | None:
    """The key as it can travel. Raises ConfigurationError (a ValueError too) where it cannot."""
    field_of_key = secret_field(provider)
    try:
        key = clean_key(api_key if isinstance(api_key, str) else None, field_of_key.key if field_of_key else None)
    except ConfigurationError as error:
        raise as_value_error(_placed(error, provider)) from error
    expected = (field_of_key.placeholder if field_of_key else "").rstrip("…")
    if key and expected and not key.startswith(expected):
        _log.warning("key_looks_foreign", provider=provider.id, expected_beginning=expected)
    return key


def _endpoint(
    provider: Provider, service: Service, api_key: object, base_url: object, settings: Mapping[str, object]
) -> Endpoint:
    key = checked_key(provider, api_key)
    address = url_field(provider, service)
    if provider.keeps_v1_wire and address is not None:
        # v1 looked the address up anew, whatever the configuration said.
        return provider.endpoint(active_provider.snapshot_of(load_environment(), settings).in_force(), service)
    key_field = secret_field(provider)
    values = {key_field.key: key} if key_field is not None and key else {}
    given = base_url.strip() if isinstance(base_url, str) else ""
    if not provider.keeps_v1_wire:
        if not given:
            raise _no_address(provider, service)
        return provider.endpoint({**values, **({address.key: given} if address else {})}, service)
    endpoint = provider.endpoint(values, service)
    if endpoint.base_url is not None and given:
        return Endpoint(base_url=given, api_key=endpoint.api_key)
    return endpoint


def _remedy(provider: Provider, endpoint: Endpoint, settings: Mapping[str, object]) -> str | None:
    """What to do where nothing answers, if the address is that of the provider's detour."""
    detour = provider.detour
    address = active_provider.snapshot_of(load_environment(), settings).text(detour.url) if detour else None
    if detour is None or address is None:
        return endpoint.remedy
    try:
        return detour.remedy if endpoint.base_url == parse_address(address).v1 else endpoint.remedy
    except ConfigurationError:
        return endpoint.remedy


def _no_address(provider: Provider, service: Service) -> ConfigurationError:
    address = url_field(provider, service, {})
    return UnusableSetting(
        f"No address of a {provider.label} server is set",
        next_step=f"Enter {address.key} in Settings." if address else None,
        context=ErrorContext(field=address.key if address else None),
    )


def _placed(error: ConfigurationError, provider: Provider) -> ConfigurationError:
    error.with_context(provider=provider.id)
    return error


def reads_settings(provider: Provider) -> bool:
    """Whether the address is looked up at every call: a local provider of v1."""
    return provider.keeps_v1_wire and url_field(provider, "llm") is not None


def is_complete(config: Mapping[str, object], service: Service) -> bool:
    """A model that could not be asked for yet must not be remembered as missing."""
    provider = active_provider.find(config.get("provider"))
    model = config.get("embedding_model" if service == "embedding" else "chat_model")
    return provider is None or provider.keeps_v1_wire or bool(model)


def usable_model_name(stored: object) -> str | None:
    """A stored name that can be one; v1 ignored the others."""
    name = stored.strip() if isinstance(stored, str) else ""
    if name and (len(name) > _MAX_MODEL_NAME or not name.isprintable()):
        _log.warning("embedding_model_ignored", reason="too long, or holds control characters")
        return None
    return name or None
