"""Understands whatever was pasted as a server's address, and refuses keys that cannot travel in a header.

People paste `host:8000`, `http//host`, `…/v1`, `…/v1/models`, `…/v1/chat/completions`. All of them mean one
server; requests of the OpenAI kind go to `<root>/v1/…`, and vLLM's own (`/health`, `/tokenize`) to `<root>/…`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from src.errors import ConfigurationError, ErrorContext

_SCHEME = re.compile(r"^(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)\s*:?\s*[\\/]{2,}|^(?P<short>https?)\s*:[\\/]?(?!\d)", re.I)
_HOST = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?$")
_ROUTES = frozenset(
    [
        "chat",
        "completions",
        "embeddings",
        "models",
        "responses",
        "messages",
        "rerank",
        "score",
        "pooling",
        "classify",
        "tokenize",
        "detokenize",
        "health",
        "metrics",
        "version",
        "ping",
        "load",
        "docs",
        "openapi.json",
        "audio",
        "images",
        "invocations",
    ]
)
"""First path segments of the APIs: what follows a root or a `v1`."""
_MAX_KEY = 500


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is. `root` has scheme, host, port and path, no trailing slash and no `/v1`."""

    root: str

    @property
    def v1(self) -> str:
        """The base URL of the OpenAI-compatible API."""
        return f"{self.root}/v1"

    @property
    def scheme(self) -> str:
        return urlsplit(self.root).scheme

    @property
    def host(self) -> str:
        """The host's name, without brackets."""
        return urlsplit(self.root).hostname or ""

    @property
    def port(self) -> int:
        """The port that is connected to, also where the address names none."""
        return urlsplit(self.root).port or (443 if self.scheme == "https" else 80)

    @property
    def is_loopback(self) -> bool:
        """Whether the address means the machine (or the container) that asks."""
        return is_loopback(self.host)

    def with_port(self, port: int) -> Address:
        """The same scheme and host at another port, without a path."""
        return Address(f"{self.scheme}://{_bracketed(self.host)}:{port}")

    def with_host(self, host: str) -> Address:
        """The same scheme, port and path at another host."""
        path = urlsplit(self.root).path
        return Address(f"{self.scheme}://{_bracketed(host)}:{self.port}{path}")

    def with_scheme(self, scheme: str) -> Address:
        """The same place, spoken to by `http` or `https`."""
        return Address(scheme + self.root[len(self.scheme) :])


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine itself."""
    if host.lower().rstrip(".") in {"localhost", "0.0.0.0", "::"} or host.lower().endswith(".localhost"):  # noqa: S104
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_address(text: str, field: str | None = None) -> Address:
    """The server that `text` means; `field` names the setting it came from.

    Raises:
        ConfigurationError: blank, another scheme than http(s), a user name inside, or no usable host or port.
    """
    cleaned = text.strip().strip("\"'<>").strip()
    if not cleaned:
        raise _refused("The server's address is blank", field, "Enter it, for example http://localhost:8000.")
    if re.search(r"[\x00-\x20\x7f]", re.sub(r"^(\w+)\s*:?\s*(?=[\\/])", r"\1:", cleaned)):
        raise _refused("The server's address holds blanks or control characters", field)
    scheme, rest = _split_scheme(cleaned, field)
    netloc, _, path = re.split(r"[?#]", rest, maxsplit=1)[0].replace("\\", "/").partition("/")
    if "@" in netloc:
        raise _refused(
            "The server's address holds a user name or a password", field, "Enter the key in its own field instead."
        )
    host, port = _split_host(netloc, field)
    return Address("/".join([f"{scheme}://{host}" + (f":{port}" if port else ""), *_root_segments(path)]))


def clean_key(key: str | None, field: str | None = None) -> str | None:
    """`key` without surrounding blanks; None when blank.

    Raises:
        ConfigurationError: it cannot travel in an HTTP header (line break, control or non-ASCII character), or it
            is longer than 500 characters. Nothing was sent.
    """
    text = (key or "").strip()
    if not text:
        return None
    if len(text) > _MAX_KEY:
        raise _refused(f"The API key is longer than {_MAX_KEY} characters", field, "Copy only the key itself.")
    if not text.isascii() or not text.isprintable():
        raise _refused(
            "The API key holds a line break or another character that a key cannot have", field, "Copy it once more."
        )
    return text


def _split_scheme(text: str, field: str | None) -> tuple[str, str]:
    match = _SCHEME.match(text)
    if match is None:
        rest = text.lstrip("/\\")
        return ("https" if re.match(r"[^/]*:443(/|$)", rest) else "http"), rest
    scheme = (match["scheme"] or match["short"]).lower()
    scheme = {"htp": "http", "htpp": "http", "hhttp": "http", "htttp": "http", "htps": "https"}.get(scheme, scheme)
    if scheme not in {"http", "https"}:
        raise _refused(f"'{scheme}' is not a scheme that model servers speak", field, "Begin with http:// or https://.")
    return scheme, text[match.end() :].lstrip("/\\")


def _split_host(netloc: str, field: str | None) -> tuple[str, int | None]:
    if netloc.count(":") > 1 and not netloc.startswith("["):
        netloc = f"[{netloc}]"
    host, port_text = _host_and_port(netloc)
    if port_text and not (port_text.isascii() and port_text.isdigit() and 0 < int(port_text[:6]) < 65536):
        raise _refused(f"'{port_text[:20]}' is not a port", field, "A port is a number from 1 to 65535.")
    return _checked_host(host, field), int(port_text) if port_text else None


def _host_and_port(netloc: str) -> tuple[str, str]:
    if netloc.startswith("["):
        inside, _, after = netloc[1:].partition("]")
        return f"[{inside}]", after.removeprefix(":")
    host, _, port = netloc.partition(":")
    return host, port


def _checked_host(host: str, field: str | None) -> str:
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError as error:
            raise _refused(f"'{host[:60]}' is not an IPv6 address", field) from error
    try:
        name = host.encode("idna").decode("ascii").lower() if not host.isascii() else host.lower()
    except UnicodeError as error:
        raise _refused(f"'{host[:60]}' is not a host name", field) from error
    if len(name) > 253 or not _HOST.match(name):
        raise _refused(f"'{host[:60]}' is not a host name", field)
    return name


def _root_segments(path: str) -> list[str]:
    segments = [segment for segment in path.split("/") if segment]
    versions = [at for at, segment in enumerate(segments[:-1]) if segment in {"v1", "v2"}]
    if versions and segments[versions[-1] + 1] in _ROUTES:
        segments = segments[: versions[-1] + 1]
    while segments and segments[-1] in _ROUTES:
        segments.pop()
    while segments and segments[-1] in {"v1", "v2"}:
        segments.pop()
    return segments


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _refused(message: str, field: str | None, next_step: str | None = None) -> ConfigurationError:
    return ConfigurationError(
        message,
        next_step=next_step or "Enter it as http://host:port, for example http://localhost:8000.",
        context=ErrorContext(field=field),
    )
