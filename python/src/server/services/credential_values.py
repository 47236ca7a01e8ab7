"""Shapes that Archon v1 gave settings in memory, and how they are made from rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from src.errors import SecretUnreadable
from src.settings import SecretBox
from src.store.settings_rows import SettingRow

HIDDEN = "[ENCRYPTED]"
"""What is shown in place of a secret."""

CachedSecret: TypeAlias = dict[str, str | bool | None]
CachedValue: TypeAlias = str | CachedSecret | None

_log = structlog.get_logger("archon.server.credentials")


@dataclass
class CredentialItem:
    """One stored setting, as lists show it."""

    key: str
    value: str | None = None
    encrypted_value: str | None = field(default=None, repr=False)
    is_encrypted: bool = False
    category: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Cipher:
    """Our box for what is stored, v1's cipher for what v1 code keeps in memory and reads back."""

    box: SecretBox
    encrypt: Callable[[str], str]

    def cached(self, row: SettingRow, sealed: str | None) -> CachedValue:
        """`row` as v1's cache holds it: a secret as ciphertext of v1's kind, anything else as its plain value."""
        ciphertext = row.encrypted_value if sealed is None else self._translated(row.key, sealed)
        if not row.is_encrypted or not ciphertext:
            return row.value
        return {
            "encrypted_value": ciphertext,
            "is_encrypted": True,
            "category": row.category,
            "description": row.description,
        }

    def _translated(self, key: str, sealed: str) -> str:
        try:
            return self.encrypt(self.box.open(key, sealed))
        except SecretUnreadable as error:
            # Kept as it is: whoever decrypts it fails there, for this setting only.
            _log.warning("secret_must_be_entered_again", key=key, reason=error.message)
            return sealed


def cache_of(rows: Iterable[SettingRow], sealed: Mapping[str, str], cipher: Cipher) -> dict[str, CachedValue]:
    """All settings as v1's cache holds them."""
    return {row.key: cipher.cached(row, sealed.get(row.key)) for row in rows}


def category_of(rows: Iterable[SettingRow]) -> dict[str, CachedValue]:
    """The settings of one category: plain values, and for a secret only that there is a place for it."""
    return {
        row.key: {"value": HIDDEN, "is_encrypted": True, "description": row.description}
        if row.is_encrypted
        else row.value
        for row in rows
    }


def items_of(rows: Iterable[SettingRow], sealed: Mapping[str, str]) -> list[CredentialItem]:
    """The settings as lists show them: a secret that is set shows a marker, an empty place for one shows nothing."""
    return [
        CredentialItem(
            key=row.key,
            value=_shown(row, sealed),
            is_encrypted=row.is_encrypted,
            category=row.category,
            description=row.description,
        )
        for row in rows
    ]


def as_text(value: object) -> str | None:
    """A value as it is stored: all settings are texts, booleans the words true and false."""
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(row: SettingRow, sealed: Mapping[str, str]) -> str | None:
    if not row.is_encrypted:
        return row.value
    return HIDDEN if row.encrypted_value or row.key in sealed else None
