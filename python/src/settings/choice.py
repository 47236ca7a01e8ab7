"""Which provider answers for a service, what it needs and has, and which odd default of Archon v1 is at work."""

from __future__ import annotations

from dataclasses import dataclass

from src.errors import ConfigurationError, ErrorContext, SecretUnreadable
from src.inference.provider import ActiveProvider, Provider, Service

from .catalog import PROVIDER_KEYS, Catalog, default_provider
from .values import Notice, Snapshot

_NOT_A_PROVIDER = frozenset({"true", "false", "none", "null"})
"""Words that v1's settings page is known to have stored in place of a provider."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The provider of a service and what is odd about how it was chosen."""

    provider: Provider
    notices: tuple[Notice, ...] = ()


def choose(catalog: Catalog, snapshot: Snapshot, service: Service) -> Choice:
    """The provider that answers for `service`.

    Raises:
        ConfigurationError: none is chosen, or the chosen one does not exist or cannot do this.
    """
    key = PROVIDER_KEYS[service]
    chosen = snapshot.text(key)
    fallback = default_provider(catalog.providers, service)
    if chosen is None:
        raise ConfigurationError(
            f"No provider is chosen ({key}).",
            next_step="Choose one in Settings.",
            context=ErrorContext(field=key),
        )
    if fallback is None or chosen == fallback or not _replaced_by_default(catalog, chosen, service):
        return Choice(catalog.provider(chosen, service))
    provider = catalog.provider(fallback, service)
    notice = Notice(
        "provider_replaced",
        f"{key} is '{chosen[:60]}', which cannot be used; {provider.label} is used instead, as Archon v1 did.",
        f"Choose a provider for {key} in Settings.",
    )
    return Choice(provider, (notice,))


def activate(catalog: Catalog, snapshot: Snapshot, service: Service) -> ActiveProvider:
    """The chosen provider with all that a client needs.

    Raises:
        ConfigurationError: something is missing or unusable; names the setting. Nothing was sent anywhere.
        SecretUnreadable: its key is stored but cannot be opened.
    """
    return equip(choose(catalog, snapshot, service).provider, snapshot, service)


def equip(provider: Provider, snapshot: Snapshot, service: Service) -> ActiveProvider:
    """`provider` for `service` with the values of `snapshot`. Raises as `activate` does."""
    _require_readable(provider, snapshot)
    try:
        values = snapshot.in_force()
        endpoint = provider.endpoint(values, service)
        model = model_of(provider, snapshot, service)
    except ConfigurationError as error:
        raise error.with_context(provider=provider.id, operation=service) from error
    return ActiveProvider(provider=provider, service=service, endpoint=endpoint, model=model, values=values)


def model_of(provider: Provider, snapshot: Snapshot, service: Service) -> str | None:
    """The model in force; None where it is to be found by asking the server.

    Raises:
        ConfigurationError: the provider needs one and none is set.
    """
    key = provider.model_key(service)
    model = snapshot.text(key) or provider.default_model(service)
    if model is not None:
        return model
    if any(field.key == key and field.required for field in provider.fields):
        raise ConfigurationError(
            f"{provider.label} needs a model, and {key} is blank.",
            context=ErrorContext(field=key, provider=provider.id),
        )
    return None


def notices(catalog: Catalog, snapshot: Snapshot, service: Service) -> tuple[Notice, ...]:
    """The odd defaults at work for `service`, for people to see. Raises ConfigurationError as `choose` does."""
    choice = choose(catalog, snapshot, service)
    provider = choice.provider
    found = list(choice.notices)
    key = provider.model_key(service)
    model = provider.default_model(service)
    if model is not None and snapshot.text(key) is None:
        found.append(
            Notice(
                "default_model",
                f"{key} is blank; {provider.label} is asked for its default model '{model}'.",
                f"Set {key} in Settings.",
            )
        )
    found.extend(_fallback_notice(catalog, provider, snapshot))
    return tuple(found)


def _fallback_notice(catalog: Catalog, provider: Provider, snapshot: Snapshot) -> list[Notice]:
    other = catalog.providers.get(provider.fallback_without_key or "")
    missing = [field.key for field in provider.fields if field.kind == "secret" and not snapshot.text(field.key)]
    if other is None or not missing:
        return []
    message = f"{missing[0]} is blank; clients made by get_llm_client ask {other.label} instead, as in Archon v1."
    return [Notice("fallback_without_key", message, f"Set {missing[0]}, or choose {other.label} in Settings.")]


def _replaced_by_default(catalog: Catalog, chosen: str, service: Service) -> bool:
    """What v1 quietly took for its default: these words, and any embedding provider it did not know."""
    if chosen.lower() in _NOT_A_PROVIDER:
        return True
    provider = catalog.providers.get(chosen)
    return service == "embedding" and (provider is None or not provider.serves(service))


def _require_readable(provider: Provider, snapshot: Snapshot) -> None:
    for field in provider.fields:
        if snapshot.unreadable(field.key):
            raise SecretUnreadable(
                f"{field.key} is stored but cannot be opened with the present secret key.",
                context=ErrorContext(field=field.key, provider=provider.id),
            )
