"""How busy a model server says it is, read from its Prometheus page by the names that its provider gives."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx2

from .pool import http_client
from .provider import Endpoint, Provider
from .queue_watch import waiting_in

_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """Requests `running` and `waiting`, the share of the KV cache in use (0 to 1), and the mean seconds to the first
    token since the server started. None: it does not tell.
    """

    running: float | None
    waiting: float | None
    cache_used: float | None
    first_token_s: float | None


async def server_figures(provider: Provider, endpoint: Endpoint) -> ServerFigures | None:
    """The figures now; None where this kind of server has none or does not answer for them."""
    facts = provider.server
    if facts is None or facts.running_metric is None or not endpoint.base_url:
        return None
    url = f"{endpoint.base_url.rstrip('/').removesuffix('/v1')}/metrics"
    headers = dict(provider.listing.headers(endpoint.api_key))
    try:
        async with http_client(timeout_s=_WITHIN_S) as client:
            reply = await client.get(url, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
        return None  # that it does not answer is told by the check beside this
    if not reply.is_success:
        return None
    running = waiting_in(reply.text, facts.running_metric)
    if running is None:
        return None
    return ServerFigures(
        running=running,
        waiting=None if facts.waiting_metric is None else waiting_in(reply.text, facts.waiting_metric),
        cache_used=_highest(reply.text, facts.cache_metric),
        first_token_s=_mean(reply.text, facts.latency_metric),
    )


def _mean(text: str, name: str | None) -> float | None:
    """The mean of a histogram; None before its first sample."""
    if name is None:
        return None
    total, number = waiting_in(text, f"{name}_sum"), waiting_in(text, f"{name}_count")
    return total / number if total is not None and number else None


def _highest(text: str, name: str | None) -> float | None:
    """The highest value of a gauge over its labels: of several engines, the fullest one."""
    if name is None:
        return None
    found = re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? ([0-9.eE+-]+)\s*$", text, flags=re.MULTILINE)
    return max(map(float, found)) if found else None
