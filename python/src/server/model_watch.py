"""Looks at the chosen model servers now and then, and keeps what it saw: a short history of each."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

import structlog

from src.errors import ArchonError, ConfigurationError, JsonValue, redact_url
from src.inference.discovery import list_models
from src.inference.provider import ActiveProvider, Service
from src.inference.server_figures import ServerFigures, server_figures
from src.settings import SettingsService
from src.store import model_looks
from src.store.database import Database
from src.store.model_looks import Look

_log = structlog.get_logger("archon.server.model_watch")
EVERY_S = 60.0
CLOUD_EVERY_S = 600.0
"""A provider in the cloud is asked seldom: its list of models is not free of limits."""


@dataclass(slots=True)
class WatchedServer:
    """A server, what it is used for, and the last looks at it, oldest first."""

    active: ActiveProvider
    services: list[str]
    looks: deque[Look]
    figures: ServerFigures | None = None
    looked_at: float = float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether it is time for another look."""
        every_s = CLOUD_EVERY_S if self.active.provider.server is None else EVERY_S
        return time.monotonic() - self.looked_at >= every_s

    @property
    def name(self) -> str:
        """What its looks are kept under: the provider, and the address without secrets."""
        return f"{self.active.provider.id} {redact_url(self.active.endpoint.base_url or '')}"

    async def look(self) -> Look:
        """Ask once; what came is among its looks."""
        begun, error = time.monotonic(), None
        self.looked_at = begun
        try:
            await list_models(self.active.provider, self.active.endpoint)
        except ArchonError as problem:
            error = problem.to_dict()
        took_ms = (time.monotonic() - begun) * 1000
        found = Look(datetime.now(UTC), took_ms, error)
        self.looks.append(found)
        self.figures = None if error else await server_figures(self.active.provider, self.active.endpoint)
        return found

    def public(self) -> dict[str, JsonValue]:
        """For JSON."""
        failures = ({"at": _shown(look.at), **look.error} for look in reversed(self.looks) if look.error is not None)
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
            "last_failure": next(failures, None),
            "checks": [_public(look) for look in self.looks],
        }


def _public(look: Look) -> dict[str, JsonValue]:
    """For JSON: of an error its class alone."""
    code = look.error["code"] if look.error else None
    return {"at": _shown(look.at), "ok": look.error is None, "took_ms": round(look.took_ms, 1), "code": code}


def _shown(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


class ModelWatch:
    """The chosen servers with their history, which the database keeps for the next start."""

    def __init__(self, settings: SettingsService, database: Database) -> None:
        self._settings = settings
        self._database = database
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
            StoreError: the settings or the history cannot be read, or a look not be kept.
        """
        await self._name()
        due = [one for one in self._servers.values() if anew or one.is_due]
        await asyncio.gather(*(self._look(one) for one in due))
        return list(self._servers.values())

    async def _look(self, server: WatchedServer) -> None:
        await model_looks.keep(self._database, server.name, await server.look())

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
            named[key] = one = WatchedServer(active, [service], deque(maxlen=model_looks.KEPT))
            if before is None:
                one.looks.extend(await model_looks.kept(self._database, one.name))
            else:
                one.looks, one.figures, one.looked_at = before.looks, before.figures, before.looked_at
        self._servers = named

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.seen()
            except ArchonError as error:
                _log.warning("model_servers_not_looked_at", code=error.code, error=error.message)
