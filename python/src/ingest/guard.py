"""The guard against requests to places that a crawler has no business in.

An address is checked as it is written, after DNS (the resolver hands out checked addresses only, so a name that
changes its answer between check and connection gains nothing) and again for every redirect.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from src.errors import AddressRefused, ErrorContext

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides which addresses may be fetched."""

    allow_private: bool = False

    def check_url(self, url: str) -> None:
        """Refuse what is not http(s) and what names a private address literally.

        Raises:
            AddressRefused: with the reason.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AddressRefused(
                "Only http and https addresses are fetched.",
                next_step="Use an address that begins with http:// or https://.",
                context=ErrorContext(operation="fetch", url=url),
            )
        address = _literal(parts.hostname)
        if address is not None:  # a name's addresses are checked when it is resolved
            self.check_address(address, parts.hostname)

    def check_address(self, address: str, host: str) -> None:
        """Refuse the IP `address`, to which `host` led, unless it is public or private ones are allowed.

        Raises:
            AddressRefused: it is private, loopback, link-local, multicast, reserved or a metadata service.
        """
        if self.allow_private or is_public(address):
            return
        named = f"{host} ({address})" if host != address else host
        raise AddressRefused(f"{named} is a private or local address.", context=ErrorContext(operation="fetch"))


def _literal(host: str) -> str | None:
    """The IP address that `host` is, also in the short forms that C libraries read (127.1, 2130706433, 0x7f.1)."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def is_public(address: str) -> bool:
    """Whether `address` is one of the open internet, looking through IPv6 forms that carry an IPv4 address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


class GuardedResolver(AbstractResolver):
    """Resolves names and hands out only addresses that the guard lets pass."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of `host`.

        Raises:
            OSError: the name is unknown.
            AddressRefused: one of its addresses is private.
        """
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results = []
        for found_family, _, protocol, _, place in infos:
            address = str(place[0])
            self._guard.check_address(address, host)
            results.append(
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=found_family,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing to give back."""
