"""Rows of `archon_settings` and `archon_secrets`: values as text, secrets as ciphertext."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from .database import Database, Json, Row


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One stored setting. `sealed` is our ciphertext, `encrypted_value` the one that Archon v1 wrote."""

    key: str
    value: str | None
    is_encrypted: bool
    category: str | None = None
    description: str | None = None
    encrypted_value: str | None = field(default=None, repr=False)
    sealed: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SettingEntry:
    """A setting to be written. A secret has `sealed` and no `value`; both None clears it."""

    key: str
    value: str | None = None
    sealed: str | None = field(default=None, repr=False)
    is_encrypted: bool = False
    category: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret's ciphertext by the key of its setting."""

    key: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ResealedSecret:
    """A secret under a new key; `was` is the ciphertext that it replaces."""

    key: str
    was: str = field(repr=False)
    sealed: str = field(repr=False)


async def load(database: Database) -> list[SettingRow]:
    """All settings with their sealed secrets, as of one moment.

    Raises:
        StoreError: the database did not answer, or lacks its tables.
    """
    return [_setting(row) for row in await database.call("archon_settings_load")]


async def save(database: Database, entries: Sequence[SettingEntry], removed: Sequence[str] = ()) -> int:
    """Write `entries` and remove the keys `removed`, all or nothing; returns how many rows changed.

    Raises:
        StoreError, InvalidInput: nothing was written.
    """
    rows = await database.call(
        "archon_settings_save", entries=Json([asdict(entry) for entry in entries]), removed=list(removed)
    )
    return _count(rows)


async def secrets(database: Database) -> list[SealedSecret]:
    """All ciphertexts of ours. Raises StoreError."""
    rows = await database.call("archon_secrets_list")
    return [SealedSecret(key=str(row["key"]), sealed=str(row["sealed"])) for row in rows]


async def seal(database: Database, key: str, sealed: str) -> None:
    """Put our ciphertext beside a setting that is there; Archon v1's stays in its row. Raises StoreError."""
    await database.call("archon_secrets_put", key=key, sealed=sealed)


async def reseal(database: Database, entries: Sequence[ResealedSecret]) -> int:
    """Put all secrets under another key at once; returns how many.

    Raises:
        Conflict: a secret changed since it was read; nothing was written.
        StoreError: the database did not answer.
    """
    return _count(await database.call("archon_secrets_reseal", entries=Json([asdict(entry) for entry in entries])))


def _setting(row: Row) -> SettingRow:
    return SettingRow(
        key=str(row["key"]),
        value=_text(row["value"]),
        is_encrypted=bool(row["is_encrypted"]),
        category=_text(row["category"]),
        description=_text(row["description"]),
        encrypted_value=_text(row["encrypted_value"]),
        sealed=_text(row["sealed"]),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _count(rows: Sequence[Row]) -> int:
    """The single number of a scalar function, whatever the adapter calls its column."""
    return next((value for row in rows for value in row.values() if isinstance(value, int)), 0)
