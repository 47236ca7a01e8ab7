"""Who may talk to a server of ours: host names, origins, and the token where it listens beyond this machine.

Pure decisions over values; each server asks them for every request at its own edge.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from src.errors import AccessDenied, ConfigurationError, ErrorContext, TokenRequired

from .environment import Environment

COOKIE = "archon_session"
SESSION_S = 30 * 24 * 3600
"""How long a browser stays signed in, in seconds."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
GUARDED_API = ("/api", "/internal", "/v1", "/metrics")
"""What the REST server keeps behind its token; the pages of the interface and /health are open."""

_OPEN_PATHS = frozenset({"/health", "/api/session"})
_WILDCARD_BINDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, never bound


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """The rules in force. `token` None: none is asked for."""

    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    token: str | None = field(repr=False)
    guarded: tuple[str, ...] = GUARDED_API

    @classmethod
    def of(cls, environment: Environment, guarded: tuple[str, ...] = GUARDED_API) -> AccessPolicy:
        """The policy that `environment` asks for; paths that begin with one of `guarded` want the token.

        Raises:
            ConfigurationError: it listens beyond loopback and has no token.
        """
        bind = environment.host.strip("[]")
        needs_token = not is_loopback(bind)
        if needs_token and environment.token is None:
            raise ConfigurationError(
                f"ARCHON_BIND is {environment.host}: other machines can reach this server, but ARCHON_TOKEN is empty.",
                next_step="Set ARCHON_TOKEN to a long random text, or leave ARCHON_BIND at 127.0.0.1.",
                context=ErrorContext(field="ARCHON_TOKEN"),
            )
        own = () if bind in _WILDCARD_BINDS else (bind,)
        return cls(
            hosts=tuple(name.lower() for name in (*environment.allowed_hosts, *own)),
            origins=tuple(name.lower().rstrip("/") for name in environment.allowed_origins),
            token=environment.token if needs_token else None,
            guarded=guarded,
        )

    def check_host(self, host: str) -> None:
        """Refuse a request whose `Host` is not ours: a web page that had its own name point here.

        Raises:
            AccessDenied: the name is neither loopback nor allowed.
        """
        name = host_name(host)
        if name is None or not (is_loopback(name) or any(_covers(allowed, name) for allowed in self.hosts)):
            raise AccessDenied(
                f"This server does not answer to the host name '{host[:200]}'.",
                next_step="Open it as http://localhost, or add the name to ARCHON_ALLOWED_HOSTS and start again.",
            )

    def check_origin(self, method: str, host: str, origin: str | None) -> None:
        """Refuse a change that another web page asks for.

        Raises:
            AccessDenied: the request changes something and its `Origin` is neither this server nor allowed.
        """
        if method in _SAFE_METHODS or origin is None or self.allows_origin(origin):
            return
        if urlsplit(origin).netloc.lower() != host.lower():
            raise AccessDenied(
                f"Another web page ({origin[:200]}) tried to change something here.",
                next_step="Use Archon's own pages, or add that origin to ARCHON_ALLOWED_ORIGINS and start again.",
            )

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of `origin` may read answers (CORS); only those named in ARCHON_ALLOWED_ORIGINS."""
        return origin.lower().rstrip("/") in self.origins

    def check_token(self, path: str, authorization: str | None, cookie: str | None) -> None:
        """Refuse a caller without the token, where one is needed.

        Raises:
            TokenRequired: no token or a wrong one.
        """
        if not self.guards(path) or self.authenticated(authorization, cookie):
            return
        given = authorization is not None or cookie is not None
        raise TokenRequired("The token is wrong or has run out." if given else "This server wants its token.")

    def guards(self, path: str) -> bool:
        """Whether `path` is behind the token."""
        return path not in _OPEN_PATHS and path.startswith(self.guarded)

    def authenticated(self, authorization: str | None, cookie: str | None) -> bool:
        """Whether the caller showed the token, or none is needed."""
        if self.token is None:
            return True
        scheme, _, value = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and self.matches(value.strip()):
            return True
        return self._session_holds(session_value(cookie))

    def matches(self, token: str) -> bool:
        """Compare in constant time, so that the answer's time tells nothing of the token."""
        return self.token is not None and hmac.compare_digest(token.encode(), self.token.encode())

    def new_session(self) -> str:
        """A cookie value that proves the token without holding it; it runs out after `SESSION_S`."""
        ends = int(time.time()) + SESSION_S
        return f"{ends}.{self._seal(ends)}"

    def _session_holds(self, value: str) -> bool:
        ends, _, seal = value.partition(".")
        if not (ends.isascii() and ends.isdigit() and len(ends) <= 12):
            return False
        return int(ends) > time.time() and hmac.compare_digest(seal.encode(), self._seal(int(ends)).encode())

    def _seal(self, ends: int) -> str:
        return hmac.new((self.token or "").encode(), f"{COOKIE}:{ends}".encode(), hashlib.sha256).hexdigest()


def is_loopback(name: str) -> bool:
    """Whether `name` (no port, no brackets) means this machine and no other."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str | None:
    """The name in a Host header, lower case, without port and brackets; None where it is no host at all."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname
    except ValueError:
        return None
    return name if parts.netloc == host and parts.username is None else None


def session_value(cookie: str | None) -> str:
    """The session's value in a Cookie header, '' where there is none."""
    try:
        jar: Mapping[str, object] = SimpleCookie(cookie or "")
    except CookieError:
        return ""
    morsel = jar.get(COOKIE)
    return str(getattr(morsel, "value", ""))


def _covers(allowed: str, name: str) -> bool:
    if allowed == "*":
        return True
    if allowed.startswith("*."):
        return name.endswith(allowed[1:])
    return host_name(allowed) == name or allowed == name
