"""The providers of Settings as connections: the chosen one, and every other that somebody filled in."""

from __future__ import annotations

from dataclasses import replace

from src.errors import ArchonError, ConfigurationError
from src.inference.models import ChatModel
from src.inference.provider import ActiveProvider, Provider, Values, secret_field, url_field
from src.store.connections import no_connection

from .catalog import PROVIDER_KEYS
from .choice import choose
from .connections_draft import DEFAULT_TIMEOUT_S
from .connections_rows import Connection
from .connections_wire import ConnectionChatModel, Limits
from .service import SettingsService
from .values import Snapshot

FROM_SETTINGS = "settings:"
CHOSEN = f"{FROM_SETTINGS}llm"
"""The provider that Settings choose for chat, whichever it is."""
SETTINGS_LIMITS = Limits(timeout_s=DEFAULT_TIMEOUT_S)


def connection_of(model: ChatModel) -> str:
    """The id of the connection that `model` belongs to; what Settings choose belongs to theirs."""
    return model.connection_id if isinstance(model, ConnectionChatModel) else CHOSEN


def named(error: ArchonError, model: ChatModel) -> ArchonError:
    """A failure of `model`, which from now on names it and its connection; the same error, for `raise`."""
    return error.with_context(provider=model.provider, connection=connection_of(model), model=model.model or None)


class SettingsConnections:
    """Read-only connections made of the settings in force."""

    def __init__(self, settings: SettingsService) -> None:
        self._settings = settings

    async def shown(self, chosen_is_default: bool) -> list[Connection]:
        """The chosen provider first, then the others that have an address or a key. Raises StoreError."""
        snapshot = await self._settings.snapshot()
        chosen = self._chosen(snapshot)
        others = [one for one in self._filled(snapshot) if chosen is None or one.id != chosen.id]
        first = await self._shown(CHOSEN, chosen, snapshot, is_default=chosen_is_default)
        return [first, *[await self._shown(FROM_SETTINGS + one.id, one, snapshot) for one in others]]

    async def active(self, connection_id: str, model: str | None) -> ActiveProvider:
        """What a client needs. Raises NotFound, ConfigurationError, StoreError."""
        if connection_id == CHOSEN:
            active = await self._settings.active("llm")
        else:
            provider = self._known(connection_id)
            active = await self._settings.draft(provider.id, "llm", {})
        return replace(active, model=model or active.model)

    async def values(self, connection_id: str) -> tuple[Provider, Values]:
        """The provider with the settings in force, as checks want them. Raises as `active`."""
        snapshot = await self._settings.snapshot()
        if connection_id == CHOSEN:
            return choose(self._settings.catalog, snapshot, "llm").provider, snapshot.in_force()
        return self._known(connection_id), snapshot.in_force()

    def _known(self, connection_id: str) -> Provider:
        provider = self._settings.catalog.providers.get(connection_id.removeprefix(FROM_SETTINGS))
        if provider is None or not provider.serves("llm"):
            raise no_connection(connection_id)
        return provider

    def _chosen(self, snapshot: Snapshot) -> Provider | None:
        try:
            return choose(self._settings.catalog, snapshot, "llm").provider
        except ConfigurationError:
            return None

    def _filled(self, snapshot: Snapshot) -> list[Provider]:
        found = []
        for provider in self._settings.catalog.providers.values():
            keys = [field.key for field in (url_field(provider, "llm"), secret_field(provider)) if field]
            if provider.serves("llm") and any(_is_set(snapshot, key) for key in keys):
                found.append(provider)
        return found

    async def _shown(
        self, connection_id: str, provider: Provider | None, snapshot: Snapshot, *, is_default: bool = False
    ) -> Connection:
        active, problem = None, None
        try:
            active = await self.active(connection_id, None)
        except ConfigurationError as error:
            problem = error
        return Connection(
            id=connection_id,
            name=provider.label if provider else "Settings",
            provider=provider.id if provider else snapshot.text(PROVIDER_KEYS["llm"]) or "",
            provider_label=provider.label if provider else "none",
            base_url=active.endpoint.base_url if active else None,
            model=active.model if active else None,
            has_key=_has_key(provider, snapshot),
            limits=SETTINGS_LIMITS,
            is_local=bool(provider and provider.local),
            is_default=is_default,
            read_only=True,
            problem=problem,
        )


def _is_set(snapshot: Snapshot, key: str) -> bool:
    value = snapshot.by_key.get(key)
    return value is not None and value.has_value and value.source != "default"


def _has_key(provider: Provider | None, snapshot: Snapshot) -> bool:
    field = secret_field(provider) if provider else None
    value = snapshot.by_key.get(field.key) if field else None
    return value is not None and value.has_value
