"""A look at a model server's queue now and then, while many requests are sent to it."""

from __future__ import annotations

import asyncio
import re
import time

import httpx2

from .pacing import Pacing
from .pool import http_client
from .provider import Endpoint, Provider

_EVERY_S = 1.0
_REST_S = 60.0
"""How long a server that tells nothing of its queue is left alone."""
_TIMEOUT_S = 2.0


class QueueWatch:
    """Tells a pacing how many texts wait, where the provider's servers count them."""

    def __init__(self, provider: Provider, endpoint: Endpoint) -> None:
        facts = provider.server
        self._metric = facts.waiting_metric if facts is not None and not provider.keeps_v1_wire else None
        self._url = f"{(endpoint.base_url or '').rstrip('/').removesuffix('/v1')}/metrics"
        self._headers = dict(provider.listing.headers(endpoint.api_key))
        self._next = 0.0
        self._task: asyncio.Task[None] | None = None

    def look(self, pacing: Pacing) -> None:
        """Ask in the background, at most once a second; never waits and never fails."""
        if self._metric is None or time.monotonic() < self._next or (self._task and not self._task.done()):
            return
        self._next = time.monotonic() + _EVERY_S
        self._task = asyncio.create_task(self._ask(self._metric, pacing))

    async def _ask(self, metric: str, pacing: Pacing) -> None:
        try:
            async with http_client(timeout_s=_TIMEOUT_S) as client:
                reply = await client.get(self._url, headers=self._headers)
            waiting = waiting_in(reply.text, metric) if reply.is_success else None
        except (httpx2.HTTPError, OSError):
            waiting = None
        if waiting is None:
            self._next = time.monotonic() + _REST_S
        else:
            pacing.waited(waiting)


def waiting_in(text: str, metric: str) -> float | None:
    """The sum of a gauge over its labels in Prometheus' text form; None where it is not in it."""
    found = re.findall(rf"^{re.escape(metric)}(?:\{{[^}}]*\}})? ([0-9.eE+]+)\s*$", text, flags=re.MULTILINE)
    return sum(map(float, found)) if found else None
