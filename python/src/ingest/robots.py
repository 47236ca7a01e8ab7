"""robots.txt: what a site asks of crawlers, read once per host."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from protego import Protego

from src.errors import DocumentTooLarge, FetchFailed, PageMissing

from .addresses import host_of
from .fetch import Fetcher

_MAX_DELAY_S = 10.0
"""A longer Crawl-delay is cut to this, so that a crawl ends within a person's day."""


@dataclass(slots=True)
class Robots:
    """The rules of the hosts that a crawl meets."""

    fetcher: Fetcher
    _rules: dict[str, Protego] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def allows(self, url: str) -> bool:
        """Whether the site lets us read `url`.

        Raises:
            AddressRefused: the host is private.
            FetchFailed: robots.txt cannot be read though the site has one; then nothing may be crawled.
        """
        rules = await self._of(url)
        return bool(rules.can_fetch(url, self.fetcher.policy.user_agent))

    async def sitemaps(self, url: str) -> list[str]:
        """Addresses of the sitemaps that the site names. Raises AddressRefused, FetchFailed."""
        return list((await self._of(url)).sitemaps)

    async def delay_s(self, url: str) -> float | None:
        """Seconds that the site wants between two requests. Raises AddressRefused, FetchFailed."""
        delay_s = (await self._of(url)).crawl_delay(self.fetcher.policy.user_agent)
        return float(delay_s) if delay_s else None

    async def _of(self, url: str) -> Protego:
        host = host_of(url)
        async with self._lock:
            if host not in self._rules:
                self._rules[host] = await self._read(url)
        return self._rules[host]

    async def _read(self, url: str) -> Protego:
        parts = urlsplit(url)
        try:
            fetched = await self.fetcher.fetch(f"{parts.scheme}://{parts.netloc}/robots.txt")
        except (PageMissing, DocumentTooLarge):
            return Protego.parse("")
        except FetchFailed as error:
            # RFC 9309: another 4xx means "no rules"; a server that fails means "keep out".
            if error.context.status is not None and 400 <= error.context.status < 500:
                return Protego.parse("")
            raise
        rules = Protego.parse(fetched.body[:500_000].decode("utf-8-sig", "replace"))
        delay_s = rules.crawl_delay(self.fetcher.policy.user_agent)
        if delay_s:
            self.fetcher.set_delay(url, min(float(delay_s), _MAX_DELAY_S))
        return rules
