"""The frontier of a crawl: which addresses belong to it and which are still to be fetched, all kept in the store."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from src.store import job_sharing, jobs
from src.store.database import Database
from src.store.jobs import Address, FrontierRow

from .addresses import canonical_url, host_of
from .document import Link

_PICTURES = "png jpg jpeg gif svg webp ico bmp tif tiff avif"
_MEDIA = "mp3 mp4 webm ogg wav avi mov mkv flac woff woff2 ttf eot otf"
_ARCHIVES = "zip gz tgz bz2 xz 7z rar tar jar whl deb rpm dmg exe msi iso apk bin so dll"
_DATA = "css js mjs map json xml rss atom csv tsv parquet sqlite db asc sig sha256"
_OFFICE = "doc docx ppt pptx xls xlsx odt ods odp epub ps"
_NOT_PAGES = frozenset(f".{word}" for group in (_PICTURES, _MEDIA, _ARCHIVES, _DATA, _OFFICE) for word in group.split())
_PAGES = frozenset({".html", ".htm", ".xhtml", ".php", ".asp", ".aspx", ".jsp", ".md", ".txt", ".rst", ".pdf", ".xml"})


_AT_ONCE = 8
"""Addresses taken in hand at once: few, so that several workers end at the same time."""
_LOOK_S = 0.5
"""How long nothing may change here before the store is asked whether other workers changed something."""
_COUNTED = 1000
"""Addresses over the limit that are remembered from one page, to say how many were left out."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a site that a crawl stays in: one host, and paths below a prefix that ends with a slash."""

    host: str
    prefix: str

    def contains(self, url: str) -> bool:
        """Whether `url` is in it and looks like a page."""
        parts = urlsplit(url)
        path = parts.path or "/"
        if host_of(url) != self.host or PurePosixPath(path.lower()).suffix in _NOT_PAGES:
            return False
        return path.startswith(self.prefix) or path == self.prefix.rstrip("/")


def scope_of(url: str) -> Scope:
    """The scope of a start address: the folder that it names or lies in."""
    path = urlsplit(url).path or "/"
    folder, _, name = path.rpartition("/")
    is_file = PurePosixPath(name.lower()).suffix in _PAGES
    return Scope(host_of(url), f"{folder}/" if is_file or not name else f"{path}/")


def site_scope(url: str) -> Scope:
    """Everything on the host of `url`."""
    return Scope(host_of(url), "/")


@dataclass(frozen=True, slots=True)
class Entry:
    """An address to be fetched. `position` is its place among all that were found."""

    address: Address
    depth: int
    position: int

    @property
    def whole(self) -> Entry:
        """Itself; of a part, which alone has a '#' in its address, the body that it is a part of."""
        key, url = self.address.key.partition("#")[0], self.address.url.partition("#")[0]
        return self if key == self.address.key else replace(self, address=Address(key, url))


@dataclass(slots=True)
class Frontier:
    """Addresses in the order in which they were found, each handed out to one worker of all that share the job."""

    database: Database
    job_id: str
    page_limit: int
    worker: str
    _waiting: deque[Entry] = field(default_factory=deque)
    _known: set[str] = field(default_factory=set)
    _claimed: set[str] = field(default_factory=set)
    _left_out: set[str] = field(default_factory=set)
    _open: int = 0
    _claims: int = 0
    _name: str = field(default_factory=lambda: uuid.uuid4().hex)
    _asked_at: float = 0.0
    _grown: bool = True
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def restore(self, rows: Iterable[FrontierRow]) -> None:
        """Know what is known already."""
        self._known.update(row.address.key for row in rows)

    @property
    def size(self) -> int:
        """Addresses found so far."""
        return len(self._known)

    @property
    def left_out(self) -> int:
        """Addresses that the page limit left out, as far as they were counted."""
        return len(self._left_out - self._known)

    async def add(self, links: Iterable[Link], *, depth: int) -> int:
        """Keep and queue the addresses that are new; how many were. Raises StoreError."""
        fresh: dict[str, Address] = {}
        for link in links:
            key = canonical_url(link.url)
            if key not in fresh and not self._has(key):
                fresh[key] = Address(key, link.url, link.text)
        if not fresh:
            return 0
        room = max(self.page_limit - len(self._known), 0)
        offered = list(fresh.values())[:room]
        self._left_out.update(list(fresh)[room : room + _COUNTED])
        if not offered:
            return 0
        added = await jobs.add_addresses(self.database, self.job_id, offered, depth=depth, page_limit=self.page_limit)
        async with self._changed:
            self._known.update(address.key for address in added)
            self._grown = self._grown or bool(added)
            self._changed.notify_all()
        return len(added)

    def knows(self, url: str) -> bool:
        """Whether the address was found before."""
        return self._has(canonical_url(url))

    def claim(self, key: str) -> bool:
        """False when another entry has this address already: a redirect led to a page that is known."""
        if self._has(key):
            return False
        self._claimed.add(key)
        return True

    async def take(self) -> Entry | None:
        """The next entry; None when there is none and none can come any more. Raises Conflict, StoreError."""
        async with self._changed:
            while True:
                if not self._waiting:
                    await self._fetch_more()
                if self._waiting:
                    self._open += 1
                    return self._waiting.popleft()
                if not self._open and not await job_sharing.others_busy(self.database, self.job_id, self.worker):
                    return None
                await self._wait_a_moment()

    async def _wait_a_moment(self) -> None:
        """Until something changes here, or long enough for others to have changed something."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await self._changed.wait()

    async def _fetch_more(self) -> None:
        """Take addresses in hand, where there may be some."""
        now = time.monotonic()
        if not self._grown and now - self._asked_at < _LOOK_S:
            return
        self._asked_at, self._claims = now, self._claims + 1
        claim = f"{self._name}-{self._claims}"
        rows = await job_sharing.take(self.database, self.job_id, self.worker, claim=claim, most=_AT_ONCE)
        self._grown = bool(rows)
        self._waiting.extend(Entry(row.address, row.depth, row.ordinal) for row in rows)
        if len(rows) > 1:
            self._changed.notify_all()

    async def explored(self) -> None:
        """An entry that was taken has given all its links."""
        async with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def _has(self, key: str) -> bool:
        return key in self._known or key in self._claimed
