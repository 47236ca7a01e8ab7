"""What an address would bring, found out within seconds and without storing anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from urllib.parse import urlsplit

from src.errors import AddressRefused, DocumentTooLarge, FetchFailed, IngestError, JsonValue, NeedsBrowser

from .addresses import canonical_url, checked_url, display_name, source_id_of_url
from .browser import program
from .crawl_kind import crawl_type_of, leads_on
from .document import Budget, CodeRules, Document, ReadRequest
from .fetch import Fetched, Fetcher, FetchPolicy, open_fetcher
from .frontier import Scope, scope_of, site_scope
from .kinds import kind_of
from .reader import Readers
from .requests import CrawlRequest
from .robots import Robots
from .sitemap import read_sitemap
from .traps import Traps

_TOTAL_S = 12.0
_SITEMAP_S = 5.0
_SHOWN = 20
_BUDGET = Budget(512, 1.3)
_HINTS = ("llms-full.txt", "llms.txt")
_HINT_BYTES = 200_000
_at_once = asyncio.Semaphore(2)


@dataclass(frozen=True, slots=True)
class Rules:
    """What robots.txt says: whether the start may be read, and which of the found pages may not."""

    allowed: bool = True
    refused: int = 0
    first_refused: tuple[str, ...] = ()
    crawl_delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What would come. `pages` counts the start too; `is_all` is False where a crawl may find more.

    `needs_browser` is `no`, `maybe` (hardly any text without one) or `yes`; `has_browser` is this machine's.
    """

    url: str
    source_id: str
    kind: str
    final_url: str = ""
    title: str = ""
    language: str | None = None
    content_type: str = ""
    pages: int = 0
    is_all: bool = True
    first: tuple[str, ...] = ()
    found_by: tuple[str, ...] = ()
    robots: Rules = field(default_factory=Rules)
    left_out: int = 0
    needs_browser: str = "no"
    has_browser: bool = False
    better: tuple[str, ...] = ()
    problem: IngestError | None = None
    elapsed_s: float = 0.0

    def to_dict(self) -> dict[str, JsonValue]:
        """The body of `POST /api/knowledge-items/preview`."""
        robots = {**asdict(self.robots), "first_refused": list(self.robots.first_refused)}
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {
            **fields,
            "success": self.problem is None,
            "first": list(self.first),
            "found_by": list(self.found_by),
            "better": list(self.better),
            "robots": robots,
            "problem": self.problem.to_dict() if self.problem else None,
            "elapsed_s": round(self.elapsed_s, 2),
        }


async def preview(request: CrawlRequest, policy: FetchPolicy) -> Preview:
    """Look at the start of a crawl, its site's rules and lists; at most some seconds.

    What keeps it from being read stands in `problem`.

    Raises:
        InvalidInput, AddressRefused: the address or a pattern cannot be used.
    """
    request = replace(request.checked(), url=checked_url(request.url))
    started = time.monotonic()
    seen = Preview(
        url=request.url,
        source_id=source_id_of_url(request.url),
        kind=crawl_type_of(request.url),
        title=display_name(request.url),
        has_browser=program() is not None,
    )
    readers = Readers(max_processes=1, time_limit_s=_TOTAL_S)
    try:
        async with _at_once, asyncio.timeout(_TOTAL_S), open_fetcher(_hurried(policy)) as fetcher:
            seen = await _Look(request, fetcher, readers, started).at(seen)
    except AddressRefused:
        raise
    except IngestError as error:
        seen = replace(seen, problem=error)
    except TimeoutError:
        seen = replace(seen, problem=FetchFailed(f"The site did not show itself within {_TOTAL_S:g} seconds."))
    finally:
        await readers.close()
    return replace(seen, elapsed_s=time.monotonic() - started)


def _hurried(policy: FetchPolicy) -> FetchPolicy:
    return replace(policy, attempts=1, connect_s=4.0, idle_s=5.0, total_s=8.0, max_wait_s=2.0)


@dataclass(slots=True)
class _Look:
    request: CrawlRequest
    fetcher: Fetcher
    readers: Readers
    started: float
    _robots: Robots = field(init=False)
    _traps: Traps = field(default_factory=Traps)

    def __post_init__(self) -> None:
        self._robots = Robots(self.fetcher)

    async def at(self, seen: Preview) -> Preview:
        """What there is. Raises IngestError where it cannot be read."""
        url = seen.url
        allowed = await self._robots.allows(url)
        delay_s = await self._robots.delay_s(url)
        seen = replace(seen, robots=Rules(allowed, crawl_delay_s=delay_s))
        if not allowed:
            return seen
        if seen.kind == "sitemap":
            return await self._sitemap(seen, url)
        fetched = await self.fetcher.fetch(url)
        seen = replace(seen, final_url=fetched.url, content_type=fetched.content_type, pages=1, first=(fetched.url,))
        try:
            documents = await self._read(fetched)
        except NeedsBrowser:
            return await self._site(replace(seen, needs_browser="yes"), ())
        first = documents[0]
        title = first.whole_title or first.title
        seen = replace(seen, title=title, language=first.language, needs_browser="maybe" if first.is_thin else "no")
        if first.part:
            parts = tuple(f"{fetched.url}#{document.part}" for document in documents)
            return replace(seen, pages=len(parts), first=parts[:_SHOWN], found_by=("sections",))
        return await self._site(seen, tuple(link.url for link in first.links))

    async def _site(self, seen: Preview, links: tuple[str, ...]) -> Preview:
        """What the start leads to, by its links and by the site's own lists."""
        is_list = leads_on(seen.kind)
        if self.request.max_depth < 2 or not (is_list or seen.kind == "normal"):
            return seen
        if is_list:
            seen = await self._counted(seen, [seen.final_url, *links], site_scope(seen.url))
            return replace(seen, found_by=("links",))
        listed = await self._listed(seen.final_url)
        ways = tuple(way for way, found in (("links", links), ("sitemap", listed)) if found)
        goes_on = self.request.max_depth > 2 or seen.needs_browser == "yes"
        seen = await self._counted(seen, [seen.final_url, *links, *listed], scope_of(seen.final_url))
        hints = await self._hints(seen.final_url)
        return replace(seen, is_all=seen.is_all and not goes_on, found_by=ways, better=hints)

    async def _sitemap(self, seen: Preview, url: str) -> Preview:
        found = await read_sitemap(self.fetcher, url, until=self.started + _SITEMAP_S)
        seen = await self._counted(replace(seen, final_url=url), found.urls, site_scope(url))
        return replace(seen, is_all=seen.is_all and found.is_whole and not found.failures, found_by=("sitemap",))

    async def _listed(self, url: str) -> list[str]:
        """What the site's sitemaps list."""
        parts = urlsplit(canonical_url(url))
        named = await self._robots.sitemaps(url) or [f"{parts.scheme}://{parts.netloc}/sitemap.xml"]
        found: list[str] = []
        for sitemap in named[:5]:
            try:
                found += (await read_sitemap(self.fetcher, sitemap, until=self.started + _SITEMAP_S)).urls
            except IngestError:
                continue  # a site without a sitemap is no failure
        return found

    async def _counted(self, seen: Preview, urls: Iterable[str], scope: Scope) -> Preview:
        """Addresses in scope, each once, that the patterns and robots.txt allow."""
        inside, wanted = await asyncio.to_thread(self._inside, seen, urls, scope)
        refused = {url: None for url in wanted if not await self._allows(url)}
        allowed = [url for url in wanted if url not in refused]
        return replace(
            seen,
            pages=min(len(allowed), self.request.max_pages),
            is_all=len(allowed) <= self.request.max_pages,
            first=tuple(allowed[:_SHOWN]),
            left_out=inside - len(wanted),
            robots=replace(seen.robots, refused=len(refused), first_refused=tuple(refused)[:_SHOWN]),
        )

    def _inside(self, seen: Preview, urls: Iterable[str], scope: Scope) -> tuple[int, list[str]]:
        """How many addresses are in scope, and those of them that are wanted. It may take seconds."""
        patterns, start = self.request.patterns, canonical_url(seen.final_url)
        fresh = {canonical_url(url): url for url in urls}
        inside = {key: url for key, url in fresh.items() if key == start or scope.contains(url)}
        wanted = [
            url
            for key, url in inside.items()
            if key == start or (patterns.allow(url) and self._traps.reason(url) is None)
        ]
        return len(inside), wanted

    async def _allows(self, url: str) -> bool:
        await asyncio.sleep(0)  # there may be 50,000
        return await self._robots.allows(url)

    async def _read(self, fetched: Fetched) -> tuple[Document, ...]:
        kind = kind_of(fetched.content_type, fetched.url)
        request = ReadRequest(kind, fetched.url, fetched.charset, "", _BUDGET, CodeRules(wanted=False))
        return await self.readers.read(request, fetched.body)

    async def _hints(self, url: str) -> tuple[str, ...]:
        """Plain versions of the whole site, made for readers like us."""
        parts = urlsplit(canonical_url(url))
        offered = [f"{parts.scheme}://{parts.netloc}/{name}" for name in _HINTS]
        there = await asyncio.gather(*(self._is_text(one) for one in offered))
        return tuple(one for one, is_there in zip(offered, there, strict=True) if is_there)

    async def _is_text(self, url: str) -> bool:
        small = replace(self.fetcher.policy, max_bytes=_HINT_BYTES, total_s=3.0)
        try:
            async with open_fetcher(small) as fetcher:
                fetched = await fetcher.fetch(url)
        except DocumentTooLarge:
            return True
        except IngestError:
            return False
        return fetched.content_type in ("", "text/plain", "text/markdown") and bool(fetched.body.strip())
