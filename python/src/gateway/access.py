"""Whom the gateway talks to: host names and origins, by the rules of all our servers. Keys are in `keys`."""

from __future__ import annotations

from src.config import Environment
from src.config.access import AccessPolicy

_REMEMBERED = 256
_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, never bound


class Doorman:
    """Asks the policy about `Host` and `Origin`, and remembers the hosts it let in: this is the hot path."""

    def __init__(self, environment: Environment, bind: str) -> None:
        own = () if bind.strip("[]") in _ANY else (bind.strip("[]"),)
        self._policy = AccessPolicy(
            hosts=tuple(name.lower() for name in (*environment.allowed_hosts, *own)),
            origins=tuple(name.lower().rstrip("/") for name in environment.allowed_origins),
            token=None,
        )
        self._known: set[bytes] = set()

    def check(self, host: bytes, origin: bytes) -> None:
        """Let the request in.

        Raises:
            AccessDenied: its Host is neither loopback nor allowed, or its Origin is foreign.
        """
        if host not in self._known:
            self._policy.check_host(host.decode("latin-1"))
            if len(self._known) < _REMEMBERED:
                self._known.add(host)
        if origin:
            # As if it changed something, whatever its method: a model's work costs also where it is only read.
            self._policy.check_origin("POST", host.decode("latin-1"), origin.decode("latin-1"))
