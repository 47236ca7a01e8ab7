"""Secrets on their way out of this installation: opened with our key, sealed with a passphrase that a person keeps."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from src.errors import ErrorContext, InvalidInput, JsonValue, SecretUnreadable

from .secrets import SecretBox

SHORTEST = 12
_COST = {"n": 2**15, "r": 8, "p": 1}
_PURPOSE = b"archon backup secrets"


def open_all(box: SecretBox, sealed: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The values of `sealed` by key, and the keys that `box` cannot open."""
    values: dict[str, str] = {}
    unreadable: list[str] = []
    for key, text in sealed.items():
        try:
            values[key] = box.open(key, text)
        except SecretUnreadable:
            unreadable.append(key)
    return values, tuple(unreadable)


def seal(values: Mapping[str, str], passphrase: str) -> dict[str, JsonValue]:
    """`values` under the passphrase; half a second of work, on purpose.

    Raises:
        InvalidInput: the passphrase is too short.
    """
    if len(passphrase) < SHORTEST:
        raise InvalidInput(
            f"The passphrase has {len(passphrase)} characters; at least {SHORTEST} are needed.",
            next_step="Choose a longer one.",
            context=ErrorContext(field="passphrase"),
        )
    salt, nonce = os.urandom(16), os.urandom(12)
    body = AESGCM(_key(passphrase, salt)).encrypt(nonce, json.dumps(dict(values)).encode(), _PURPOSE)
    return {"salt": _text(salt), "nonce": _text(nonce), "body": _text(body), "count": len(values)}


def unseal(sealed: Mapping[str, JsonValue], passphrase: str) -> dict[str, str]:
    """The values under the passphrase.

    Raises:
        InvalidInput: the passphrase is another one, or the text was changed.
    """
    try:
        salt, nonce, body = (base64.b64decode(str(sealed[name])) for name in ("salt", "nonce", "body"))
        text = AESGCM(_key(passphrase, salt)).decrypt(nonce, body, _PURPOSE)
    except (InvalidTag, KeyError, ValueError) as error:
        raise InvalidInput(
            "The passphrase does not open the secrets of this backup.",
            next_step="Type the passphrase that the backup was made with, or restore without --with-secrets.",
            context=ErrorContext(field="passphrase"),
        ) from error
    return {str(key): str(value) for key, value in json.loads(text).items()}


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **_COST).derive(passphrase.encode())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
