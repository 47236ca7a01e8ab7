"""Looks at the chosen model servers now and then, and keeps what it saw: a short history of each, in memory."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import get_args

import structlog

from src.errors import ArchonError, ConfigurationError, JsonValue, redact_url
from src.inference.discovery import list_models
from src.inference.provider import ActiveProvider, Service
from src.inference.server_figures import ServerFigures, server_figures
from src.settings import SettingsService

_log = structlog.get_logger("archon.server.model_watch")
EVERY_S = 60.0
CLOUD_EVERY_S = 600.0
"""A provider in the cloud is asked seldom: its list of models is not free of limits."""
KEPT = 120
"""Looks kept of each server: two hours of a server of one's own."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: when, how long the server took for its list of models, and what went wrong (an error body), if so."""

    at: str
    took_ms: float
    error: dict[str, JsonValue] | None

    def public(self) -> dict[str, JsonValue]:
        """For JSON: of an error its class alone."""
        code = self.error["code"] if self.error else None
        return {"at": self.at, "ok": self.error is None, "took_ms": round(self.took_ms, 1), "code": code}


@dataclass(slots=True)
class WatchedServer:
    """A server, what it is used for, and the last looks at it, oldest first."""

    active: ActiveProvider
    services: list[str]
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=KEPT))
    figures: ServerFigures | None = None
    looked_at: float = float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether it is time for another look."""
        every_s = CLOUD_EVERY_S if self.active.provider.server is None else EVERY_S
        return time.monotonic() - self.looked_at >= every_s

    async def look(self) -> None:
        """Ask once and keep what came."""
        begun, error = time.monotonic(), None
        self.looked_at = begun
        try:
            await list_models(self.active.provider, self.active.endpoint)
        except ArchonError as problem:
            error = problem.to_dict()
        took_ms = (time.monotonic() - begun) * 1000
        self.looks.append(Look(datetime.now(UTC).isoformat(timespec="seconds"), took_ms, error))
        self.figures = None if error else await server_figures(self.active.provider, self.active.endpoint)

    def public(self) -> dict[str, JsonValue]:
        """For JSON."""
        failed = next((look for look in reversed(self.looks) if look.error is not None), None)
        figures = self.figures
        return {
            "services": [*self.services],
            "provider": self.active.provider.label,
            "address": redact_url(self.active.endpoint.base_url or ""),
            "state": "unasked" if not self.looks else "down" if self.looks[-1].error else "up",
            "figures": None
            if figures is None
            else {
                "running": figures.running,
                "waiting": figures.waiting,
                "cache_used": figures.cache_used,
                "first_token_s": figures.first_token_s,
            },
            "last_failure": None if failed is None or failed.error is None else {"at": failed.at, **failed.error},
            "checks": [look.public() for look in self.looks],
        }


class ModelWatch:
    """The chosen servers with their history; it is lost when the program ends."""

    def __init__(self, settings: SettingsService) -> None:
        self._settings = settings
        self._servers: dict[tuple[str, str | None], WatchedServer] = {}

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Look in the background while the block runs."""
        task = asyncio.create_task(self._watch(), name="look at model servers")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def seen(self, *, anew: bool = False) -> list[WatchedServer]:
        """The servers that the settings name now, each looked at once at least; `anew`: also those looked at before.

        Raises:
            StoreError: the settings cannot be read.
        """
        await self._name()
        due = [one for one in self._servers.values() if anew or one.is_due]
        await asyncio.gather(*(one.look() for one in due))
        return list(self._servers.values())

    async def _name(self) -> None:
        """Go by the settings in force; a server that they still name keeps its history."""
        named: dict[tuple[str, str | None], WatchedServer] = {}
        for service in get_args(Service):
            try:
                active = await self._settings.active(service)
            except ConfigurationError:
                continue  # none is chosen for it, or not wholly: Settings says what is missing
            key = (active.provider.id, active.endpoint.base_url)
            if key in named:
                named[key].services.append(service)
                continue
            before = self._servers.get(key)
            named[key] = WatchedServer(active, [service])
            if before is not None:
                named[key].looks, named[key].figures = before.looks, before.figures
                named[key].looked_at = before.looked_at
        self._servers = named

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.seen()
            except ArchonError as error:
                _log.warning("model_servers_not_looked_at", code=error.code, error=error.message)
