"""Addresses: the canonical form of a URL, the id of a source, and the name a person sees."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from src.errors import AddressRefused, ErrorContext, InvalidInput

_TRACKING = frozenset(
    {
        *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
        *("gclid", "fbclid", "ref", "source"),
    }
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL_CHARS = 2000
"""Longer addresses are not followed: traps of generated links, and too long for an index key."""


def checked_url(text: str) -> str:
    """`text` as a URL that can be fetched, without fragment and surrounding blanks.

    Raises:
        InvalidInput: it is empty or has no host.
        AddressRefused: it is neither http nor https.
    """
    text = text.strip()
    field = ErrorContext(field="url")
    if not text:
        raise InvalidInput("The URL is empty.", next_step="Enter an address such as https://…", context=field)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"'{text}' is not a URL: {error}", context=field) from error
    if parts.scheme.lower() not in _DEFAULT_PORTS:
        raise AddressRefused(
            f"'{text}' does not begin with http:// or https://.",
            next_step="Enter the whole address, with http:// or https://.",
            context=field,
        )
    if not host:
        raise InvalidInput(f"'{text}' has no host.", next_step="Enter an address such as https://…", context=field)
    if "@" in parts.netloc:
        raise InvalidInput(
            "The URL holds a user name or password, which would be stored and shown.",
            next_step="Leave them out; Archon reads pages that need no login.",
            context=field,
        )
    if len(text) > MAX_URL_CHARS:
        raise InvalidInput(f"The URL is longer than {MAX_URL_CHARS} characters.", context=field)
    return urlunsplit((parts.scheme.lower(), parts.netloc, parts.path or "/", parts.query, ""))


@lru_cache(maxsize=16_384)  # each link of a page is looked at several times, and most pages have the same ones
def canonical_url(url: str) -> str:
    """The form in which two addresses of one page are equal.

    Scheme and host in lower case, no default port, no fragment, no trailing slash but the root's, no tracking
    parameters, the other parameters sorted; the path keeps its case. A text that is no URL comes back as it is.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return url
    scheme, netloc = parts.scheme.lower(), parts.netloc.lower()
    if port is not None and port == _DEFAULT_PORTS.get(scheme):
        netloc = netloc.rpartition(":")[0]
    path = parts.path.rstrip("/") or "/"
    kept = sorted((key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key not in _TRACKING)
    return urlunsplit((scheme, netloc, path, urlencode(kept), ""))


def source_id_of_url(url: str) -> str:
    """The source's id: 16 hexadecimal characters of the canonical URL's SHA-256."""
    return hashlib.sha256(canonical_url(url).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def source_id_of_file(filename: str, content: bytes) -> str:
    """The id of an upload; the same file under the same name has the same one."""
    name = re.sub(r"[^\w-]", "_", filename)[:80]
    return f"file_{name}_{hashlib.sha256(content).hexdigest()[:8]}"


def url_of_file(source_id: str, filename: str) -> str:
    """The address of an upload. It contains the source's id, so that two files of one name stay apart."""
    return f"file://{source_id}/{filename}"


def display_name(url: str) -> str:
    """Host and path, as a person would say the address."""
    parts = urlsplit(canonical_url(url))
    host = parts.netloc.removeprefix("www.")
    return (host + parts.path.rstrip("/"))[:100]


def host_of(url: str) -> str:
    """Host with its port, canonical: two URLs of one site have the same, whether http or https."""
    return urlsplit(canonical_url(url)).netloc


def joined(base: str, reference: str) -> str | None:
    """`reference` resolved against `base`, without fragment; None where it is not a page's address."""
    try:
        target = urljoin(base, reference.strip())
        parts = urlsplit(target)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in _DEFAULT_PORTS or not host or len(target) > MAX_URL_CHARS:
        return None
    return urlunsplit((parts.scheme.lower(), parts.netloc, parts.path or "/", parts.query, ""))
