"""API keys of clients: several, named, each with its own rate and number of requests at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from src.config import Environment
from src.errors import ConfigurationError, ErrorContext, RateLimited, TokenRequired

from .config import KeyTable

_REMEMBERED = 256


class Holder:
    """Who holds a key. The rate is a bucket of a minute's requests that refills steadily."""

    __slots__ = ("_full", "_rate", "_seen", "_tokens", "max_concurrent", "name", "running")

    def __init__(self, name: str, requests_per_minute: int | None = None, max_concurrent: int | None = None) -> None:
        self.name = name
        self.max_concurrent = max_concurrent
        self.running = 0
        self._full = float(requests_per_minute or 0)
        self._rate = self._full / 60.0
        self._tokens = self._full
        self._seen = 0.0

    def limit(self, as_of: Holder) -> None:
        """Take on the name and the limits of another one."""
        if self._full != as_of._full:
            self._tokens = as_of._full
        self.name, self.max_concurrent = as_of.name, as_of.max_concurrent
        self._full, self._rate = as_of._full, as_of._rate

    def enter(self, now: float) -> None:
        """Count a request in; `leave` counts it out, also when it was not let in.

        Raises:
            RateLimited: too many in this minute or at this moment; says how long to wait.
        """
        self.running += 1
        if self._full:
            self._tokens = min(self._full, self._tokens + (now - self._seen) * self._rate)
            self._seen = now
            if self._tokens < 1:
                raise RateLimited(
                    f"The key '{self.name}' may send {self._full:.0f} requests a minute.",
                    context=ErrorContext(retry_after_s=(1 - self._tokens) / self._rate),
                )
        if self.max_concurrent is not None and self.running > self.max_concurrent:
            raise RateLimited(
                f"The key '{self.name}' may have {self.max_concurrent} requests at a time.",
                next_step="Wait for one of them to end.",
                context=ErrorContext(retry_after_s=1.0),
            )
        self._tokens -= 1

    def leave(self) -> None:
        """The request is over."""
        self.running -= 1


class KeyRing:
    """The keys that are accepted. Without any, everybody is let in (the gateway then listens on loopback only)."""

    def __init__(self, tables: Sequence[KeyTable], environment: Environment) -> None:
        self._holders: dict[bytes, Holder] = {}
        self._seen: dict[bytes, Holder] = {}
        self.anyone = Holder("")
        for table in tables:
            digest = _digest_of(table, environment)
            self._holders[digest] = Holder(table.name, table.requests_per_minute, table.max_concurrent)
        if environment.token is not None and self._holders:
            self._holders.setdefault(hashlib.sha256(environment.token.encode()).digest(), Holder("archon"))

    def take_over(self, former: KeyRing) -> None:
        """Holders that stay keep what they have used, and their requests under way still count.

        Before the first request.
        """
        for digest, holder in self._holders.items():
            known = former._holders.get(digest)
            if known is not None:
                known.limit(holder)
                self._holders[digest] = known

    def demand(self, token: str) -> None:
        """Let `token` in as well, and nobody without a key."""
        self._holders.setdefault(hashlib.sha256(token.encode()).digest(), Holder("archon"))

    @property
    def open(self) -> bool:
        """Whether requests need no key."""
        return not self._holders

    def holder(self, authorization: bytes) -> Holder:
        """Who sent this Authorization header. An unknown one is looked up by its SHA-256: time tells nothing of keys.

        Raises:
            TokenRequired: no key, or one that is not known.
        """
        if not self._holders:
            return self.anyone
        seen = self._seen.get(authorization)
        if seen is not None:
            return seen
        scheme, _, key = authorization.partition(b" ")
        found = self._holders.get(hashlib.sha256(key.strip()).digest()) if scheme.lower() == b"bearer" else None
        if found is None:
            raise TokenRequired(
                "The API key is not known here." if authorization else "An API key is needed.",
                next_step="Send 'Authorization: Bearer <key>' with a key of this gateway.",
            )
        if len(self._seen) < _REMEMBERED:
            self._seen[authorization] = found
        return found


def _digest_of(table: KeyTable, environment: Environment) -> bytes:
    if table.sha256 is not None:
        return bytes.fromhex(table.sha256)
    key = table.key or (environment.get(table.key_env) if table.key_env else None)
    if not key:
        raise ConfigurationError(
            f"The key '{table.name}' has no value.",
            next_step="Give key, key_env (a variable that is set) or sha256.",
            context=ErrorContext(field="keys"),
        )
    return hashlib.sha256(key.encode()).digest()
