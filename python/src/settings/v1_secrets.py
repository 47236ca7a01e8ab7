"""Archon v1's secrets under our own key: opened with its cipher, sealed with ours, its text left as it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from src.errors import SecretUnreadable
from src.store import settings_rows
from src.store.database import Database
from src.store.settings_rows import SettingRow

from .secrets import SecretBox
from .v1_cipher import decrypt


@dataclass(frozen=True, slots=True)
class SecretsTaken:
    """Keys that are sealed with our key now, and those that the present SUPABASE_SERVICE_KEY does not open."""

    taken: tuple[str, ...]
    unreadable: tuple[str, ...]


async def take_secrets(database: Database, box: SecretBox, service_key: str | None) -> SecretsTaken:
    """Seal every secret that only v1's text holds. What cannot be opened stays as it is and is named.

    Raises:
        StoreError: the database did not answer.
        ConfigurationError, DiskFull: our own key cannot be made.
    """
    waiting = [row for row in await settings_rows.load(database) if row.encrypted_value and not row.sealed]
    taken: list[str] = []
    unreadable: list[str] = []
    for row in waiting:
        sealed = await asyncio.to_thread(_sealed, row, box, service_key)
        if sealed is None:
            unreadable.append(row.key)
            continue
        await settings_rows.seal(database, row.key, sealed)
        taken.append(row.key)
    return SecretsTaken(tuple(taken), tuple(unreadable))


def _sealed(row: SettingRow, box: SecretBox, service_key: str | None) -> str | None:
    """Our text for the row; None where v1's cannot be opened."""
    try:
        value = decrypt(row.encrypted_value or "", service_key)
    except SecretUnreadable:
        return None
    return box.seal(row.key, value)
