"""The file `secret.key`: made once, readable by its owner only, replaced in steps that survive a crash."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from src.errors import ConfigurationError, DiskFull, ErrorContext

_SALT = b"archon secret key"
_MODE = 0o600


@functools.lru_cache(maxsize=8)
def _derive(text: str) -> bytes:
    # Slow on purpose: ARCHON_SECRET_KEY may be a sentence that a person chose. 40 ms, once a process.
    return Scrypt(salt=_SALT, length=32, n=2**14, r=8, p=1).derive(text.encode())


def key_bytes(text: str | None) -> bytes:
    """The 32-byte key that `text` stands for: the same text in the file and in the variable is the same key."""
    return _derive(text or "")


def key_id(key: bytes) -> str:
    """Eight hex digits that name a key without telling it."""
    return hashlib.sha256(b"id" + key).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The key file at `path`, and beside it `<path>.next` while a rotation is under way."""

    path: Path

    @property
    def next(self) -> KeyFile:
        """The key of a rotation that has not ended."""
        return KeyFile(self.path.with_name(self.path.name + ".next"))

    def texts(self) -> list[str]:
        """The keys that may open secrets, the one in force first; empty while none was made.

        Raises:
            ConfigurationError: a file is there but cannot be read, or is empty.
        """
        paths = [self.path, self.next.path]
        return [_read(path) for path in paths if path.exists()]

    def ensure(self) -> str:
        """The key in force, made on first use. Several processes at once agree on one.

        Raises:
            ConfigurationError: the file cannot be made or read.
            DiskFull: there is no room for it.
        """
        if not self.path.exists():
            self._make()
        return _read(self.path)

    def newest(self) -> str:
        """The key to seal with: that of a rotation under way, so that what is saved meanwhile survives its end.

        Raises:
            ConfigurationError, DiskFull: as `ensure` does.
        """
        return _read(self.next.path) if self.next.path.exists() else self.ensure()

    def promote(self) -> None:
        """End a rotation: the next key is now the one in force. Raises ConfigurationError."""
        try:
            os.replace(self.next.path, self.path)
        except OSError as error:
            raise _failed(self.path, "replaced", error) from error

    def _make(self) -> None:
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, self.path)
        except FileExistsError:
            return  # another process was first; its key is the key
        except OSError as error:
            raise _failed(self.path, "made", error) from error
        finally:
            draft.unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _failed(path, "read", error) from error
    if len(text) < 16:
        raise _failed(path, "used: it is empty or was cut", None)
    return text


def _failed(path: Path, what: str, error: Exception | None) -> ConfigurationError | DiskFull:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return DiskFull(f"The secret key {path} cannot be {what}: its disk is full.")
    reason = f": {error}" if error else ""
    return ConfigurationError(
        f"The secret key {path} cannot be {what}{reason}.",
        next_step=f"Restore {path} from a backup, or remove it and enter the secrets again in Settings.",
        context=ErrorContext(field="ARCHON_SECRET_KEY"),
    )
