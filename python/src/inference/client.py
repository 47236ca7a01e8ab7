"""Makes the OpenAI client for a provider: v1's exact call for the six older ones, ours for one's own servers."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2
import openai

from src.errors import ConfigurationError, ErrorContext

from .pool import CONNECT_S, server_pool
from .provider import ActiveProvider, Endpoint

NO_KEY = "none"
"""What stands where a key belongs when the server wants none: the SDK insists on one, vLLM ignores it."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds a call may take. Those of a stream count data events, so that keep-alive comments do not extend them."""

    connect_s: float = CONNECT_S
    first_event_s: float = 120.0
    gap_s: float = 60.0
    total_s: float = 900.0


def make_client(endpoint: Endpoint, *, deadlines: Deadlines | None = None) -> openai.AsyncOpenAI:
    """A client for a server of one's own: no retries of the SDK, explicit time-outs, the shared connections.

    Closing it leaves the connections open for the next client; making one costs no connection and no TLS context.

    Raises:
        ConfigurationError: the endpoint has no base URL; nothing was sent.
    """
    if not endpoint.base_url:
        raise ConfigurationError("No server address is set", context=ErrorContext(operation="connect"))
    limits = deadlines or Deadlines()
    timeout = httpx2.Timeout(limits.first_event_s, connect=limits.connect_s)
    client = openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key or NO_KEY,
        max_retries=0,
        timeout=timeout,
        http_client=httpx2.AsyncClient(transport=server_pool(), timeout=timeout, trust_env=False),
    )
    # The SDK reads these two from the environment; they are OpenAI's and nobody else's business.
    client.organization = None
    client.project = None
    return client


def make_v1_client(endpoint: Endpoint) -> openai.AsyncOpenAI:
    """A client for one of the six older providers, made by exactly v1's call (SDK time-outs and retries)."""
    if endpoint.base_url is None:
        return openai.AsyncOpenAI(api_key=endpoint.api_key)
    return openai.AsyncOpenAI(api_key=endpoint.api_key, base_url=endpoint.base_url)


def client_for(active: ActiveProvider, *, deadlines: Deadlines | None = None) -> openai.AsyncOpenAI:
    """The client that belongs to the provider.

    Raises:
        ConfigurationError: the endpoint of a server of one's own has no base URL.
    """
    if active.provider.keeps_v1_wire:
        return make_v1_client(active.endpoint)
    return make_client(active.endpoint, deadlines=deadlines)
