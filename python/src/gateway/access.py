"""Whom the gateway talks to: host names and origins. Keys are in `keys`."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from src.config import Environment
from src.errors import AccessDenied
from src.inference.address import is_loopback

_REMEMBERED = 256
_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, never bound


class Doorman:
    """Checks `Host` (a web page whose own name points here) and `Origin` (a foreign page that posts)."""

    def __init__(self, environment: Environment, bind: str) -> None:
        own = () if bind.strip("[]") in _ANY else (bind.strip("[]"),)
        self._hosts = tuple(name.lower() for name in (*environment.allowed_hosts, *own))
        self._origins = tuple(name.lower().rstrip("/") for name in environment.allowed_origins)
        self._known: set[bytes] = set()

    def check(self, host: bytes, origin: bytes) -> None:
        """Let the request in.

        Raises:
            AccessDenied: its Host is neither loopback nor allowed, or its Origin is foreign.
        """
        if host not in self._known:
            self._check_host(host)
            if len(self._known) < _REMEMBERED:
                self._known.add(host)
        if origin:
            self._check_origin(host.decode("latin-1"), origin.decode("latin-1"))

    def _check_host(self, host: bytes) -> None:
        text = host.decode("latin-1")
        name = _name_in(text)
        if name is None or not (is_loopback(name) or any(_covers(allowed, name) for allowed in self._hosts)):
            raise AccessDenied(
                f"This gateway does not answer to the host name '{text[:200]}'.",
                next_step="Use http://localhost, or add the name to ARCHON_ALLOWED_HOSTS and start again.",
            )

    def _check_origin(self, host: str, origin: str) -> None:
        if origin.lower().rstrip("/") in self._origins or urlsplit(origin).netloc.lower() == host.lower():
            return
        raise AccessDenied(
            f"Another web page ({origin[:200]}) tried to use the gateway.",
            next_step="Add that origin to ARCHON_ALLOWED_ORIGINS and start again.",
        )


def is_local_bind(host: str) -> bool:
    """Whether listening at `host` reaches this machine only."""
    name = host.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _name_in(host: str) -> str | None:
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname
    except ValueError:
        return None
    return name if parts.netloc == host and parts.username is None else None


def _covers(allowed: str, name: str) -> bool:
    return allowed in ("*", name) or (allowed.startswith("*.") and name.endswith(allowed[1:]))
