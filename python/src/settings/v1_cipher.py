"""Archon v1's cipher, to read what it stored: Fernet, base64 once more, key from the Supabase service key."""

from __future__ import annotations

import base64
import binascii
import functools

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from src.errors import SecretUnreadable

_SALT = b"static_salt_for_credentials"
_ITERATIONS = 100_000
_WITHOUT_SERVICE_KEY = "default-key-for-development"


@functools.lru_cache(maxsize=4)
def fernet_key(service_key: str | None) -> bytes:
    """The Fernet key that v1 derived from `SUPABASE_SERVICE_KEY`; 19 ms, hence remembered."""
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=_SALT, iterations=_ITERATIONS)
    return base64.urlsafe_b64encode(kdf.derive((service_key or _WITHOUT_SERVICE_KEY).encode()))


def encrypt(value: str, service_key: str | None) -> str:
    """`value` as v1 would store it; empty stays empty."""
    if not value:
        return ""
    token = Fernet(fernet_key(service_key)).encrypt(value.encode())
    return base64.urlsafe_b64encode(token).decode()


def decrypt(stored: str, service_key: str | None) -> str:
    """The value that v1 stored; empty stays empty.

    Raises:
        SecretUnreadable: it was encrypted under another service key, or is damaged.
    """
    if not stored:
        return ""
    try:
        token = base64.urlsafe_b64decode(stored.encode())
        return Fernet(fernet_key(service_key)).decrypt(token).decode()
    except (InvalidToken, binascii.Error, ValueError) as error:
        raise SecretUnreadable(
            "A secret that Archon v1 stored cannot be read with the present SUPABASE_SERVICE_KEY.",
            next_step="Enter the secret again in Settings, or start once with the former SUPABASE_SERVICE_KEY.",
        ) from error
