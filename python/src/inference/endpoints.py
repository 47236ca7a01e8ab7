"""How a provider file says where its API is: the two usual ways, a cloud with a key and a server of one's own."""

from __future__ import annotations

from collections.abc import Callable

from src.errors import ConfigurationError, ErrorContext

from .address import clean_key, parse_address
from .provider import Endpoint, Service, Values


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
) -> Callable[[Values, Service], Endpoint]:
    """The endpoint of one's own server: a required address, others where a service lives elsewhere, perhaps a key."""
    elsewhere: dict[Service, str | None] = {"embedding": embedding_url, "rerank": rerank_url}

    def endpoint(values: Values, service: Service) -> Endpoint:
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


def _text(values: Values, key: str) -> str:
    return str(values.get(key) or "").strip()
