"""Reads and writes what is chosen. One per process; made by whoever composes the process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from src.config import Environment
from src.inference.provider import ActiveProvider, Service
from src.inference.registry import Registry
from src.store import settings_rows
from src.store.database import Database
from src.store.settings_rows import SettingEntry, SettingRow

from .catalog import Catalog
from .choice import activate, equip, notices
from .overview import FirstRun, ModelDiscovery, Overview, take_overview
from .resolve import open_rows, resolve
from .secrets import Rotation, SecretBox, rotate
from .validation import Plan, merged, normalised, plan_changes
from .values import Notice, Snapshot, Stored

CACHE_S = 2.0
"""How long values are believed without asking: another process may have saved meanwhile."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    rows: Mapping[str, SettingRow]
    stored: Mapping[str, Stored]
    snapshot: Snapshot
    at: float


class SettingsService:
    """The settings of providers and of which provider does what. Safe to use from many tasks."""

    def __init__(
        self,
        database: Database,
        secrets: SecretBox,
        environment: Environment,
        registry: Registry,
        *,
        cache_s: float = CACHE_S,
    ) -> None:
        self.database = database
        self.secrets = secrets
        self.environment = environment
        self.catalog = Catalog.of(registry)
        self._cache_s = cache_s
        self._loaded: _Loaded | None = None
        self._lock = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []

    def on_saved(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every successful save, so that caches above can forget what they know."""
        self._listeners.append(listener)

    def forget(self) -> None:
        """Read the database again at the next question."""
        self._loaded = None

    async def snapshot(self) -> Snapshot:
        """All values in force.

        Raises:
            StoreError: the database did not answer; values are never guessed.
        """
        return (await self._load()).snapshot

    async def active(self, service: Service) -> ActiveProvider:
        """The provider chosen for `service` with all that a client needs.

        Raises:
            ConfigurationError: something is missing or unusable; names the setting.
            StoreError: the database did not answer.
        """
        return activate(self.catalog, await self.snapshot(), service)

    async def draft(self, provider_id: str, service: Service, values: Mapping[str, object]) -> ActiveProvider:
        """Provider `provider_id` with unsaved `values` over those in force: what Check asks with.

        Raises:
            InvalidInput: a value is of the wrong kind.
            ConfigurationError: the provider is unknown, unfit for `service`, or lacks a setting.
            StoreError: the database did not answer.
        """
        provider = self.catalog.provider(provider_id, service)
        loaded = await self._load()
        texts = {key: normalised(self.catalog, key, value) for key, value in values.items()}
        snapshot = resolve(self.catalog, merged(loaded.stored, texts), self.environment)
        return equip(provider, snapshot, service)

    async def warnings(self, service: Service) -> tuple[Notice, ...]:
        """The odd defaults at work for `service`. Raises as `active` does."""
        return notices(self.catalog, await self.snapshot(), service)

    async def overview(self, discover: ModelDiscovery | None = None, first_run: FirstRun | None = None) -> Overview:
        """What `GET /api/settings` shows; a blank model is asked for through `discover`. Raises StoreError."""
        return await take_overview(self.catalog, await self.snapshot(), discover, first_run or FirstRun())

    async def save(self, changes: Mapping[str, object]) -> None:
        """Check all `changes` together and write all of them, or none. None or a blank removes a stored value.

        Raises:
            InvalidInput, ConfigurationError: one of them cannot be; names the field. Nothing was written.
            StoreError, DiskFull: nothing was written.
        """
        async with self._lock:
            self.forget()
            loaded = await self._load_now()
            plan = plan_changes(self.catalog, loaded.stored, self.environment, changes)
            entries = await asyncio.to_thread(self._entries, plan, loaded.rows)
            try:
                await settings_rows.save(self.database, entries, plan.removed)
            finally:
                self.forget()
        for listener in self._listeners:
            listener()

    async def rotate_secrets(self, new: SecretBox) -> Rotation:
        """Seal every secret with `new` instead, all or none; this service then uses `new`.

        Raises:
            Conflict: a secret was saved meanwhile; nothing was written, try again.
            ConfigurationError, DiskFull: the new key cannot be made.
            StoreError: nothing was written.
        """
        async with self._lock:
            rows = await settings_rows.secrets(self.database)
            rotation = await asyncio.to_thread(rotate, self.secrets, new, rows)
            await settings_rows.reseal(self.database, rotation.resealed)
            self.secrets = new
            self.forget()
        return rotation

    async def unreadable_secrets(self) -> tuple[str, ...]:
        """Keys of the secrets that must be entered again. Raises StoreError."""
        snapshot = await self.snapshot()
        return tuple(key for key, value in snapshot.by_key.items() if value.state != "ok")

    async def _load(self) -> _Loaded:
        loaded = self._loaded
        if loaded is not None and time.monotonic() - loaded.at < self._cache_s:
            return loaded
        async with self._lock:
            return await self._load_now()

    async def _load_now(self) -> _Loaded:
        loaded = self._loaded
        if loaded is not None and time.monotonic() - loaded.at < self._cache_s:
            return loaded
        rows = await settings_rows.load(self.database)
        service_key = self.environment.supabase_service_key
        # In a thread: the first use of a key derives it, which takes some 40 ms.
        stored = await asyncio.to_thread(open_rows, rows, self.catalog, self.secrets, service_key)
        snapshot = resolve(self.catalog, stored, self.environment)
        self._loaded = _Loaded({row.key: row for row in rows}, stored, snapshot, time.monotonic())
        return self._loaded

    def _entries(self, plan: Plan, rows: Mapping[str, SettingRow]) -> list[SettingEntry]:
        return [self._entry(key, text, rows.get(key)) for key, text in plan.texts.items()]

    def _entry(self, key: str, text: str, row: SettingRow | None) -> SettingEntry:
        secret = self.catalog.is_secret(key)
        field = self.catalog.fields[key]
        return SettingEntry(
            key=key,
            value=None if secret else text,
            sealed=self.secrets.seal(key, text) if secret else None,
            is_encrypted=secret,
            category=(row.category if row else None) or self.catalog.category(key),
            description=(row.description if row else None) or field.help or field.label,
        )
