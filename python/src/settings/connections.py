"""Named model servers: any number, beside the ones that Settings choose, which appear here too (read-only)."""

from __future__ import annotations

import asyncio
import time

from src.errors import AccessDenied, JsonValue
from src.inference.check import check as check_provider
from src.inference.check import offered_models
from src.inference.check_report import CheckReport
from src.inference.discovery import ServedModel, forget_discoveries
from src.inference.models import ChatModel
from src.inference.provider import ActiveProvider, Provider, SettingField, Values
from src.store.connections import KEPT, ConnectionRepository, ConnectionRow, no_connection

from .connections_detect import Detected, detect
from .connections_draft import ConnectionBody, connection_fields, free_id, read_draft, refused
from .connections_file import read_file
from .connections_import import Existing, Imported, plan_import
from .connections_rows import Connection, ConnectionShelf
from .connections_settings import CHOSEN, FROM_SETTINGS, SETTINGS_LIMITS, SettingsConnections
from .connections_wire import COMPATIBLE, ConnectionChatModel, Limits, active_of, kinds, values_of, wired
from .service import CACHE_S, SettingsService

MAX_CONNECTIONS = 500
_KEEP_S = 300.0
"""A model that was found by asking may be another one after its server was restarted."""
_MOST_MODELS = 64


class ConnectionService:
    """All connections. Ids that begin with `settings:` are those of Settings and cannot be changed here."""

    def __init__(self, settings: SettingsService) -> None:
        self._rows = ConnectionRepository(settings.database)
        self._kinds = kinds(settings.catalog.providers.values())
        self._shelf = ConnectionShelf(self._kinds, lambda: settings.secrets)
        self._from_settings = SettingsConnections(settings)
        self._made: dict[tuple[str, str | None], tuple[ActiveProvider, Limits, ChatModel, float]] = {}
        self._default: tuple[str, float] | None = None
        self._asking_default = asyncio.Lock()

    @property
    def fields(self) -> tuple[SettingField, ...]:
        """What a form of a connection is drawn from."""
        return connection_fields(self._kinds)

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The kinds that a connection can lead to."""
        return tuple(self._kinds.values())

    async def all(self) -> list[Connection]:
        """Those of Settings first, then the stored ones, oldest first. Raises StoreError."""
        stored = [self._shelf.shown(row) for row in await self._rows.all()]
        chosen_is_default = not any(one.is_default for one in stored)
        return [*await self._from_settings.shown(chosen_is_default), *stored]

    async def get(self, connection_id: str) -> Connection:
        """One connection. Raises NotFound, StoreError."""
        for connection in await self.all():
            if connection.id == connection_id:
                return connection
        raise no_connection(connection_id)

    async def chat_model(self, connection_id: str | None, model: str | None = None) -> ChatModel:
        """The chat model of a connection (None: of the default one), or another `model` of its server.

        It keeps to the connection's time-out, longest answer and temperature; its failures name the connection.

        Raises:
            NotFound: there is no such connection (any more).
            ConfigurationError, SecretUnreadable: it cannot be used as it stands; names the field.
            StoreError: the database did not answer.
        """
        wanted = await self.default_id() if connection_id is None else connection_id
        active, limits = await self._opened(wanted, model)
        kept = self._made.get((wanted, model))
        if kept is not None and kept[:2] == (active, limits) and time.monotonic() - kept[3] < _KEEP_S:
            return kept[2]
        made: ChatModel = ConnectionChatModel(wanted, active, limits)
        while len(self._made) >= _MOST_MODELS:
            del self._made[next(iter(self._made))]
        self._made[wanted, model] = (active, limits, made, time.monotonic())
        return made

    async def active(self, connection_id: str | None, model: str | None = None) -> ActiveProvider:
        """Address, key and model of a connection, for clients made by the caller. Raises as `chat_model` does."""
        wanted = await self.default_id() if connection_id is None else connection_id
        return (await self._opened(wanted, model))[0]

    async def default_id(self) -> str:
        """The id of the connection that answers where none is named, as fresh as settings are. Raises StoreError."""
        async with self._asking_default:  # many chats that begin at once ask once
            known, now = self._default, time.monotonic()
            if known is None or now - known[1] >= CACHE_S:
                known = self._default = (await self._rows.chosen() or CHOSEN, now)
        return known[0]

    async def create(self, body: ConnectionBody) -> Connection:
        """Store a new connection; without an id it is named after its name.

        Raises:
            InvalidInput: a value cannot be used, or there are too many. Conflict: the id is taken.
            StoreError, DiskFull: nothing was written.
        """
        draft = read_draft(body, self._kinds, COMPATIBLE.id)
        connection_id = draft.id or free_id(draft.name, {row.id for row in await self._rows.all()})
        entry = self._shelf.entry(connection_id, draft, sealed=self._shelf.sealed(connection_id, draft.api_key))
        await self._rows.save([entry], most=MAX_CONNECTIONS, fresh=True)
        return await self.get(connection_id)

    async def update(self, connection_id: str, body: ConnectionBody) -> Connection:
        """Change what `body` names; the rest stays, the key too.

        Raises:
            NotFound, AccessDenied: there is none, or it is one of Settings.
            InvalidInput: a value cannot be used; or the address changed and nothing is said about the stored key,
                which must not reach another server unasked.
            StoreError, DiskFull: nothing was written.
        """
        row = await self._row(connection_id)
        draft = read_draft(self._shelf.merged(row, body), self._kinds, COMPATIBLE.id)
        if row.sealed is not None and not draft.sends_key and self._shelf.moved(row, draft):
            raise refused(
                "api_key",
                "The address changed, and the stored key belongs to the former one.",
                "Enter the key for the new address, or remove it.",
            )
        sealed = self._shelf.sealed(row.id, draft.api_key) if draft.sends_key else KEPT
        await self._rows.save([self._shelf.entry(row.id, draft, sealed=sealed)], most=MAX_CONNECTIONS, fresh=False)
        self._forget()
        return await self.get(row.id)

    async def delete(self, connection_id: str) -> None:
        """Remove one with its key. Raises NotFound, AccessDenied, StoreError."""
        row = await self._row(connection_id)
        await self._rows.delete(row.id)
        self._forget()

    async def make_default(self, connection_id: str) -> Connection:
        """Let this one answer where no connection is named. Raises NotFound, AccessDenied, StoreError."""
        if connection_id == CHOSEN:
            await self._rows.make_default(None)
        else:
            await self._rows.make_default((await self._row(connection_id)).id)
        self._forget()
        return await self.get(connection_id)

    async def import_file(self, content: bytes, existing: Existing = "replace") -> Imported:
        """Take over a `llm_connections.json`, all of it or nothing.

        Raises:
            InvalidInput: it cannot be used; names the place, as in `connections[2].base_url`.
            StoreError, DiskFull: nothing was written.
        """
        file = read_file(content, self._kinds, COMPATIBLE.id)
        plan = plan_import(file, await self._rows.all(), self._shelf, existing)
        await self._rows.save(plan.entries, most=MAX_CONNECTIONS, fresh=False)
        self._forget()
        return plan.imported

    async def export(self, *, include_secrets: bool = False) -> dict[str, JsonValue]:
        """The stored connections as `llm_connections.json` holds them; keys only where they are asked for.

        Raises:
            SecretUnreadable: a key that was asked for cannot be opened.
            StoreError: the database did not answer.
        """
        return {"connections": [self._shelf.exported(row, include_secrets) for row in await self._rows.all()]}

    async def check(self, connection_id: str) -> CheckReport:
        """Really ask the server. Raises NotFound, SecretUnreadable, StoreError; a failing server is in the report."""
        if connection_id.startswith(FROM_SETTINGS):
            provider, values = await self._from_settings.values(connection_id)
            return await check_provider(provider, "llm", values)
        row = await self._row(connection_id)
        return await check_provider(wired(self._shelf.kind(row), row.base_url), "llm", self._shelf.values(row))

    async def check_draft(self, body: ConnectionBody, connection_id: str | None = None) -> CheckReport:
        """Really ask the server of an unsaved connection; `connection_id` is the one that is being changed.

        Raises:
            InvalidInput, NotFound, AccessDenied: the draft cannot be used, or there is no such connection.
            SecretUnreadable, StoreError: its stored key cannot be read.
        """
        provider, values = await self._draft_values(body, connection_id)
        return await check_provider(provider, "llm", values)

    async def models(self, connection_id: str) -> tuple[ServedModel, ...]:
        """What its server offers at this moment. Raises NotFound, ConfigurationError, ProviderError, StoreError."""
        if connection_id.startswith(FROM_SETTINGS):
            provider, values = await self._from_settings.values(connection_id)
            return await offered_models(provider, "llm", values)
        row = await self._row(connection_id)
        return await offered_models(wired(self._shelf.kind(row), row.base_url), "llm", self._shelf.values(row))

    async def draft_models(self, body: ConnectionBody, connection_id: str | None = None) -> tuple[ServedModel, ...]:
        """What the server of an unsaved connection offers. Raises as `check_draft`, and ProviderError."""
        provider, values = await self._draft_values(body, connection_id)
        return await offered_models(provider, "llm", values)

    async def detect(self, base_url: str, api_key: str | None) -> Detected:
        """What kind of server answers there. Raises ConfigurationError, ProviderError."""
        return await detect(self._kinds, base_url, api_key)

    async def _row(self, connection_id: str) -> ConnectionRow:
        """The stored row. Raises NotFound, AccessDenied for one of Settings."""
        if connection_id.startswith(FROM_SETTINGS):
            raise AccessDenied(
                f"'{connection_id[:60]}' is made of Settings and cannot be changed here.",
                next_step="Change it in Settings.",
            )
        for row in await self._rows.all():
            if row.id == connection_id:
                return row
        raise no_connection(connection_id)

    async def _opened(self, connection_id: str, model: str | None) -> tuple[ActiveProvider, Limits]:
        if connection_id.startswith(FROM_SETTINGS):
            return await self._from_settings.active(connection_id, model), SETTINGS_LIMITS
        row = await self._row(connection_id)
        key = self._shelf.key(row)
        return active_of(self._shelf.kind(row), row.base_url, key, model or row.model), self._shelf.limits(row)

    async def _draft_values(self, body: ConnectionBody, connection_id: str | None) -> tuple[Provider, Values]:
        """The wired provider of a draft and its values; a stored key only for the address that it belongs to."""
        row = None if connection_id is None else await self._row(connection_id)
        draft = read_draft(self._shelf.merged(row, body) if row else body, self._kinds, COMPATIBLE.id)
        key = draft.api_key
        if row is not None and not draft.sends_key and not self._shelf.moved(row, draft):
            key = self._shelf.key(row)
        provider = wired(self._kinds[draft.provider], draft.base_url)
        return provider, values_of(draft.base_url, key, draft.model)

    def _forget(self) -> None:
        self._made.clear()
        self._default = None
        forget_discoveries()
