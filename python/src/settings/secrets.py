"""Our own secret key, and what is sealed with it: AES-256-GCM, bound to the name of its setting.

A sealed text is `archon1.<key id>.<nonce and ciphertext>`. The id tells a lost key from a damaged text.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from src.errors import ConfigurationError, ErrorContext, SecretUnreadable
from src.store.settings_rows import ResealedSecret, SealedSecret

from .secret_key import KeyFile, key_bytes, key_id

_FORMAT = "archon1"
_NONCE_BYTES = 12

KeySource: TypeAlias = Literal["environment", "file"]


@dataclass(frozen=True, slots=True)
class SecretBox:
    """Seals and opens secrets. `location` is the variable or the file that holds the key, for people."""

    source: KeySource
    location: str
    _text: str | None = field(default=None, repr=False)
    _file: KeyFile | None = field(default=None, repr=False)

    @classmethod
    def of(cls, secret_key: str | None, data_dir: Path) -> SecretBox:
        """The box of `ARCHON_SECRET_KEY`, else of `<data_dir>/secret.key`, which is made when first needed.

        Raises:
            ConfigurationError: the variable is too short to be a key.
        """
        return cls.from_text(secret_key) if secret_key else cls.from_file(KeyFile(data_dir / "secret.key"))

    @classmethod
    def from_text(cls, text: str, location: str = "ARCHON_SECRET_KEY") -> SecretBox:
        """A box whose key is given as text. Raises ConfigurationError when it is shorter than 16 characters."""
        if len(text) < 16:
            raise ConfigurationError(
                f"{location} has {len(text)} characters; a secret key needs at least 16.",
                next_step=f"Set {location} to a long random text, for example from `openssl rand -base64 32`.",
                context=ErrorContext(field=location),
            )
        return cls("environment", location, text)

    @classmethod
    def from_file(cls, file: KeyFile) -> SecretBox:
        """A box whose key lies in `file`."""
        return cls("file", str(file.path), None, file)

    def seal(self, name: str, value: str) -> str:
        """`value` of setting `name`, sealed.

        Raises:
            ConfigurationError: the key file cannot be made or read.
            DiskFull: there is no room for it.
        """
        key = key_bytes(self._text if self._file is None else self._file.newest())
        nonce = os.urandom(_NONCE_BYTES)
        body = nonce + AESGCM(key).encrypt(nonce, value.encode(), name.encode())
        return f"{_FORMAT}.{key_id(key)}.{base64.urlsafe_b64encode(body).decode()}"

    def open(self, name: str, sealed: str) -> str:
        """The value of setting `name` in `sealed`.

        Raises:
            SecretUnreadable: it was sealed with another key, for another setting, or is damaged.
        """
        parts = sealed.split(".")
        if len(parts) != 3 or parts[0] != _FORMAT:
            raise _unreadable(name, "its stored text is damaged")
        keys = {key_id(key): key for key in map(key_bytes, self._texts(name))}
        key = keys.get(parts[1])
        if key is None:
            raise _unreadable(name, f"it was sealed with another key than the one in {self.location}")
        try:
            body = base64.urlsafe_b64decode(parts[2])
            return AESGCM(key).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], name.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise _unreadable(name, "its stored text is damaged or belongs to another setting") from error

    def fingerprint(self) -> str | None:
        """Id of the key in force, to compare with; None while the key file is not made yet."""
        texts = self._texts("")
        return key_id(key_bytes(texts[0])) if texts else None

    def _texts(self, name: str) -> Sequence[str]:
        if self._file is None:
            return [self._text or ""]
        try:
            return self._file.texts()
        except ConfigurationError as error:
            raise _unreadable(name, error.message.rstrip(".")) from error


@dataclass(frozen=True, slots=True)
class Rotation:
    """What `rotate` made of the rows; `unreadable` are the keys that the old box could not open."""

    resealed: tuple[ResealedSecret, ...]
    unreadable: tuple[str, ...]


def rotate(old: SecretBox, new: SecretBox, rows: Sequence[SealedSecret]) -> Rotation:
    """Seal every secret anew. One that `old` cannot open keeps its text, so that nothing is lost.

    Raises:
        ConfigurationError, DiskFull: the new key cannot be made.
    """
    resealed: list[ResealedSecret] = []
    unreadable: list[str] = []
    for row in rows:
        try:
            sealed = new.seal(row.key, old.open(row.key, row.sealed))
        except SecretUnreadable:
            unreadable.append(row.key)
            sealed = row.sealed
        resealed.append(ResealedSecret(row.key, row.sealed, sealed))
    return Rotation(tuple(resealed), tuple(unreadable))


def _unreadable(name: str, why: str) -> SecretUnreadable:
    return SecretUnreadable(f"The stored {name or 'secret'} cannot be read: {why}.", context=ErrorContext(field=name))
