"""Between a stored connection and everything else: what people see, what is written, what a client needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from src.errors import ArchonError, ConfigurationError, JsonValue, SecretUnreadable, redact_url
from src.inference.provider import Provider, Values
from src.store.connections import SECRET_PREFIX, ConnectionEntry, ConnectionRow, Sealed

from .connections_draft import ConnectionBody, ConnectionDraft
from .connections_wire import Limits, active_of, target, values_of
from .secrets import SecretBox


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One connection as people see it: without its key. `problem`: why it cannot be used as it stands."""

    id: str
    name: str
    provider: str
    provider_label: str
    base_url: str | None
    model: str | None
    has_key: bool
    limits: Limits
    is_local: bool
    is_default: bool
    read_only: bool
    problem: ArchonError | None = None

    def to_dict(self) -> dict[str, JsonValue]:
        """The body in REST; `timeout` is seconds."""
        return {
            "id": self.id,
            "name": self.name,
            "provider": self.provider,
            "provider_label": self.provider_label,
            "base_url": None if self.base_url is None else redact_url(self.base_url),
            "model": self.model,
            "has_key": self.has_key,
            "timeout": self.limits.timeout_s,
            "max_tokens": self.limits.max_tokens,
            "temperature": self.limits.temperature,
            "is_local": self.is_local,
            "is_default": self.is_default,
            "read_only": self.read_only,
            "ready": self.problem is None,
            "problem": None if self.problem is None else self.problem.to_dict(),
        }


class ConnectionShelf:
    """Opens and closes stored connections. `kinds` are the providers by id, `secrets` gives the box in force."""

    def __init__(self, kinds: Mapping[str, Provider], secrets: Callable[[], SecretBox]) -> None:
        self._kinds = kinds
        self._secrets = secrets

    def kind(self, row: ConnectionRow) -> Provider:
        """Its provider. Raises ConfigurationError where the one that was stored is not installed any more."""
        found = self._kinds.get(row.provider)
        if found is None:
            raise ConfigurationError(
                f"The connection '{row.name}' needs the provider '{row.provider}', which is not installed",
                next_step="Install it again, or give the connection another kind.",
            ).with_context(connection=row.id, field="provider")
        return found

    def key(self, row: ConnectionRow) -> str | None:
        """Its key, opened. Raises SecretUnreadable."""
        if row.sealed is None:
            return None
        try:
            return self._secrets().open(SECRET_PREFIX + row.id, row.sealed)
        except SecretUnreadable as error:
            raise SecretUnreadable(
                f"The key of the connection '{row.name}' cannot be opened with the present secret key",
                next_step="Enter the key in the connection again.",
            ).with_context(connection=row.id, field="api_key") from error

    def sealed(self, connection_id: str, key: str | None) -> str | None:
        """`key` as it is stored. Raises ConfigurationError, DiskFull where the secret key cannot be made."""
        return None if key is None else self._secrets().seal(SECRET_PREFIX + connection_id, key)

    def values(self, row: ConnectionRow) -> Values:
        """It as the settings of its wired provider. Raises SecretUnreadable."""
        return values_of(row.base_url, self.key(row), row.model)

    def limits(self, row: ConnectionRow) -> Limits:
        """What it asks of every answer."""
        return Limits(timeout_s=row.timeout_s, max_tokens=row.max_tokens, temperature=row.temperature)

    def moved(self, row: ConnectionRow, draft: ConnectionDraft) -> bool:
        """Whether `draft` leads elsewhere than the stored key was meant for."""
        before = self._kinds.get(row.provider)
        return before is None or target(before, row.base_url) != target(self._kinds[draft.provider], draft.base_url)

    def merged(self, row: ConnectionRow, body: ConnectionBody) -> ConnectionBody:
        """`row` with what `body` names in place of what is stored."""
        stored: dict[str, object] = {
            "id": row.id,
            "name": row.name,
            "provider": row.provider,
            "base_url": row.base_url,
            "model": row.model,
            "timeout": row.timeout_s,
            "max_tokens": row.max_tokens,
            "temperature": row.temperature,
            "is_local": row.is_local,
        }
        named = body.model_dump(include=body.model_fields_set - {"id"})
        return ConnectionBody.model_construct(
            _fields_set={*body.model_fields_set}, **{"api_key": None, **stored, **named}
        )

    def entry(self, connection_id: str, draft: ConnectionDraft, *, sealed: Sealed) -> ConnectionEntry:
        """`draft` as it is written."""
        return ConnectionEntry(
            id=connection_id,
            name=draft.name,
            provider=draft.provider,
            base_url=draft.base_url,
            model=draft.model,
            timeout_s=draft.timeout_s,
            max_tokens=draft.max_tokens,
            temperature=draft.temperature,
            is_local=draft.is_local,
            sealed=sealed,
        )

    def shown(self, row: ConnectionRow) -> Connection:
        """`row` as people see it."""
        provider = self._kinds.get(row.provider)
        return Connection(
            id=row.id,
            name=row.name,
            provider=row.provider,
            provider_label=provider.label if provider else row.provider,
            base_url=row.base_url,
            model=row.model,
            has_key=row.sealed is not None,
            limits=self.limits(row),
            is_local=row.is_local,
            is_default=row.is_default,
            read_only=False,
            problem=self._problem(row),
        )

    def exported(self, row: ConnectionRow, include_secrets: bool) -> dict[str, JsonValue]:
        """`row` as `llm_connections.json` holds it. Raises SecretUnreadable for a key that was asked for."""
        entry: dict[str, JsonValue] = {
            "id": row.id,
            "name": row.name,
            "provider": row.provider,
            "base_url": row.base_url,
            "model": row.model,
            "timeout": row.timeout_s,
            "max_tokens": row.max_tokens,
            "temperature": row.temperature,
            "is_local": row.is_local,
        }
        # Null says that there is no key; a key that is not told is left out.
        if include_secrets or row.sealed is None:
            entry["api_key"] = self.key(row)
        return entry

    def _problem(self, row: ConnectionRow) -> ArchonError | None:
        try:
            active_of(self.kind(row), row.base_url, self.key(row), row.model)
        except ConfigurationError as error:
            return error.with_context(connection=row.id)
        return None
