"""How a provider file says where its API is: the two usual ways, a cloud with a key and a server of one's own."""

from __future__ import annotations

from collections.abc import Callable

from src.errors import ConfigurationError, ErrorContext

from .address import clean_key, parse_address
from .provider import Detour, Endpoint, Service, SettingField, Values


def cloud(label: str, *, key: str, base_url: str | None) -> Callable[[Values, Service], Endpoint]:
    """The endpoint of a cloud: a fixed address (None: the SDK's own) and a key that must be set."""

    def endpoint(values: Values, service: Service) -> Endpoint:
        secret = clean_key(values.get(key), key)
        if secret is None:
            raise ConfigurationError(
                f"{label} API key not found",
                next_step=f"Enter {key} in Settings.",
                context=ErrorContext(field=key),
            )
        return Endpoint(base_url=base_url, api_key=secret)

    return endpoint


def own_server(
    label: str,
    *,
    url: str,
    key: str | None = None,
    embedding_url: str | None = None,
    rerank_url: str | None = None,
    detour: Detour | None = None,
) -> Callable[[Values, Service], Endpoint]:
    """The endpoint of one's own server: a required address, others where a service lives elsewhere, perhaps a key.

    Where `detour` is taken, its address and key count; without a key of its own the server's is shown there, which
    an open gateway passes on.
    """
    elsewhere: dict[Service, str | None] = {"embedding": embedding_url, "rerank": rerank_url}

    def endpoint(values: Values, service: Service) -> Endpoint:
        if detour is not None and detour.is_taken(values, service):
            return _through(detour, values, key)
        own = elsewhere.get(service)
        field = own if own and _text(values, own) else url
        address = _text(values, field)
        if not address:
            raise ConfigurationError(
                f"No address of a {label} server is set",
                next_step=f"Enter {url} in Settings, for example http://localhost:8000.",
                context=ErrorContext(field=url),
            )
        secret = clean_key(_text(values, key), key) if key else None
        return Endpoint(base_url=parse_address(address, field).v1, api_key=secret)

    return endpoint


def gateway_detour(switch: str, label: str) -> Detour:
    """The way through our gateway for a provider's chat and embeddings, turned on by the setting `switch`."""
    return Detour(
        switch=switch,
        url="GATEWAY_URL",
        key="GATEWAY_API_KEY",
        services=frozenset({"llm", "embedding"}),
        remedy=(
            "The gateway does not run there: start it with `make gateway` (`make up` starts it too), or switch "
            f"'{_switch_label(label)}' ({switch}) off in Settings."
        ),
    )


def gateway_fields(detour: Detour, label: str) -> tuple[SettingField, ...]:
    """The settings of that way."""
    return (
        SettingField(
            key=detour.switch,
            label=_switch_label(label),
            kind="switch",
            default="false",
            help="Chat and embeddings then go to the gateway's one address; it knows the servers by itself.",
        ),
        SettingField(
            key=detour.url,
            label="Gateway address",
            kind="url",
            placeholder="http://127.0.0.1:8200",
            help="Blank: the gateway of this machine.",
        ),
        SettingField(
            key=detour.key,
            label="Gateway API key",
            kind="secret",
            help="Only if the gateway demands one; it has the model servers' keys itself.",
        ),
    )


def _switch_label(label: str) -> str:
    return f"Send {label} requests through the gateway"


def _through(detour: Detour, values: Values, key: str | None) -> Endpoint:
    address = _text(values, detour.url)
    if not address:
        raise ConfigurationError(
            "Requests are sent through the gateway, but its address is not set",
            next_step=f"Enter {detour.url} in Settings, or switch {detour.switch} off.",
            context=ErrorContext(field=detour.url),
        )
    name = detour.key if _text(values, detour.key) else key
    secret = clean_key(_text(values, name), name) if name else None
    return Endpoint(base_url=parse_address(address, detour.url).v1, api_key=secret, remedy=detour.remedy)


def _text(values: Values, key: str) -> str:
    return str(values.get(key) or "").strip()
