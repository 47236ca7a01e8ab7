"""Sitemaps: the addresses that a site lists itself, through nested indexes and gzip."""

from __future__ import annotations

import asyncio
import codecs
import html
import re
import time
from dataclasses import dataclass
from math import inf
from urllib.parse import urlsplit

from src.errors import IngestError

from . import bodies
from .addresses import canonical_url, host_of, joined
from .fetch import Fetcher

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_LOCATION = re.compile(
    # Pictures and films that a page shows have a `loc` of their own. What was matched is not tried in another way: a
    # hostile file would take hours.
    r"<(?!image:|video:)(?:\w++:)?loc\b[^<>]*+>(?:\s*+<!\[CDATA\[)?+([^<]*+)</(?:\w++:)?loc\s*+>",
    re.I,
)
_INDEX = re.compile(r"<(?:\w+:)?sitemapindex\b", re.I)
MAX_FILES = 50
MAX_URLS = 50_000


@dataclass(frozen=True, slots=True)
class Sitemap:
    """What was found, and the nested files that could not be read, each with its error.

    `is_whole`: nothing was left out for want of time or because of a limit.
    """

    urls: tuple[str, ...]
    failures: tuple[tuple[str, IngestError], ...]
    is_whole: bool = True


def is_sitemap(url: str) -> bool:
    """Whether the address names a sitemap."""
    path = urlsplit(url).path.lower()
    return "sitemap" in path and path.endswith((".xml", ".xml.gz"))


def parse(xml: str) -> tuple[list[str], bool]:
    """The addresses in a sitemap's text, and whether they are further sitemaps.

    Read by pattern, not by an XML parser: a hostile file can define nothing, and a slightly broken one still helps.
    """
    read = _COMMENT.sub("", xml)
    found = (match[1].strip().removesuffix("]]>").strip() for match in _LOCATION.finditer(read))
    return [html.unescape(location) for location in found], bool(_INDEX.search(read[:5000]))


async def read_sitemap(fetcher: Fetcher, url: str, *, until: float = inf) -> Sitemap:
    """All pages that the sitemap at `url` lists; nested files of other hosts are left out.

    No further nested file is begun after `until`, a time of the monotonic clock in seconds.

    Raises:
        AddressRefused, FetchFailed, DocumentTooLarge: `url` itself cannot be read.
    """
    found: dict[str, str] = {}
    failures: list[tuple[str, IngestError]] = []
    seen, waiting = {canonical_url(url)}, list[str]()
    listed, is_index = await _listed(fetcher, url, url)
    while True:
        if is_index:
            waiting += [target for target in listed.values() if host_of(target) == host_of(url)]
        else:
            found.update(listed)
        nested = _next(waiting, seen)
        if nested is None or len(found) >= MAX_URLS or len(seen) > MAX_FILES or time.monotonic() > until:
            return Sitemap(tuple(found.values())[:MAX_URLS], tuple(failures), is_whole=nested is None)
        seen.add(canonical_url(nested))
        try:
            listed, is_index = await _listed(fetcher, nested, url)
        except IngestError as error:
            failures.append((nested, error))
            listed, is_index = {}, False


def _next(waiting: list[str], seen: set[str]) -> str | None:
    while waiting:
        url = waiting.pop(0)
        if canonical_url(url) not in seen:
            return url
    return None


async def _listed(fetcher: Fetcher, url: str, base: str) -> tuple[dict[str, str], bool]:
    """What the file at `url` lists, by canonical address, and whether these are further sitemaps."""
    fetched = await fetcher.fetch(url)
    # A large one takes a second.
    return await asyncio.to_thread(_read, fetched.body, fetcher.policy.max_bytes * 5, url, base)


def _read(data: bytes, max_bytes: int, url: str, base: str) -> tuple[dict[str, str], bool]:
    if data[:2] == b"\x1f\x8b":
        data = bodies.gunzip(data, max_bytes, url)
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    entries, is_index = parse(data.decode("utf-16" if is_utf16 else "utf-8-sig", "replace"))
    targets = (target for entry in entries if (target := joined(base, entry)))
    return {canonical_url(target): target for target in targets}, is_index
