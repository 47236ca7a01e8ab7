"""From stored rows and the environment to the values in force: database over environment over default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from src.config import Environment
from src.errors import SecretUnreadable
from src.store.settings_rows import SettingRow

from . import v1_cipher
from .catalog import Catalog
from .secrets import SecretBox
from .values import SettingValue, Snapshot, Stored


def open_row(row: SettingRow, box: SecretBox, service_key: str | None) -> str | None:
    """The value of `row`: our secret first, then the one that v1 left beside it. None where it holds nothing.

    Raises:
        SecretUnreadable: it holds a secret that neither key opens.
    """
    if not row.is_encrypted:
        return row.value
    if row.sealed is not None:
        return box.open(row.key, row.sealed)
    if row.encrypted_value:
        return v1_cipher.decrypt(row.encrypted_value, service_key)
    return row.value


def open_rows(
    rows: Iterable[SettingRow], catalog: Catalog, box: SecretBox, service_key: str | None
) -> dict[str, Stored]:
    """What the database holds for the declared settings; a secret that cannot be opened is marked, not raised."""
    stored: dict[str, Stored] = {}
    for row in rows:
        if row.key not in catalog.fields:
            continue
        try:
            stored[row.key] = Stored(open_row(row, box, service_key))
        except SecretUnreadable:
            stored[row.key] = Stored(None, "must_be_entered_again")
    return stored


def resolve(catalog: Catalog, stored: Mapping[str, Stored], environment: Environment) -> Snapshot:
    """The values in force of every declared setting."""
    return Snapshot({key: _value(key, catalog, stored.get(key), environment) for key in catalog.fields})


def _value(key: str, catalog: Catalog, stored: Stored | None, environment: Environment) -> SettingValue:
    secret = catalog.is_secret(key)
    if stored is not None and stored.state != "ok":
        return SettingValue(key, None, "database", secret, stored.state)
    if stored is not None and stored.text is not None and stored.text.strip():
        return SettingValue(key, stored.text.strip(), "database", secret)
    from_environment = environment.get(key)
    if from_environment is not None:
        return SettingValue(key, from_environment, "environment", secret)
    return SettingValue(key, catalog.fields[key].default, "default", secret)
