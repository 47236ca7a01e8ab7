"""Fetchers that feed writers, side by side, until the frontier is empty."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from src.errors import ArchonError, ErrorContext, IngestError, PageMissing
from src.store import jobs, pages

from . import storing
from .addresses import canonical_url
from .crawl_kind import leads_on
from .document import Link
from .fetch import Fetcher
from .frontier import Entry, Frontier, Scope, scope_of, site_scope
from .intake import Intake
from .left_out import LeftOut
from .patterns import Patterns
from .requests import CrawlRequest
from .robots import Robots
from .run import Run, ends_page_only, first_of
from .sitemap import is_sitemap, read_sitemap
from .tally import tally_of
from .traps import Traps
from .visit import Arrival, Reading, Visitor

_QUEUE = 32
_AT_ONCE = 250
"""Links that are looked at before others get their turn: a sitemap has up to 50,000."""
_REFUSED = "the site's robots.txt asks crawlers for it"
_ELSEWHERE = "on another site, or no page"
_MOST_KEPT_LINKS = 2000
"""Links of a page that are kept for the day when its site says that it is unchanged."""
_T = TypeVar("_T")


@dataclass(slots=True)
class Crawler:
    """One crawl: its frontier and what is known of the site."""

    run: Run
    request: CrawlRequest
    intake: Intake
    fetcher: Fetcher
    visitor: Visitor = field(init=False)
    _frontier: Frontier = field(init=False)
    _robots: Robots = field(init=False)
    _scope: Scope = field(init=False)
    _patterns: Patterns = field(init=False)
    _traps: Traps = field(default_factory=Traps)
    _left_out: LeftOut = field(default_factory=LeftOut)
    _follows: bool = field(init=False)
    _visited: set[str] = field(default_factory=set)
    _stored: set[str] = field(default_factory=set)
    _read: asyncio.Queue[Reading] = field(default_factory=lambda: asyncio.Queue(_QUEUE))

    def __post_init__(self) -> None:
        self.visitor = Visitor(self.run, self.intake, self.fetcher)
        self._frontier = Frontier(self.run.database, self.run.job.id, self.request.max_pages, self.run.worker)
        self._robots = Robots(self.fetcher)
        self._patterns = self.request.patterns
        self._follows = self.run.board.now.crawl_type == "normal"
        start = self.run.board.now.scope_url or self.request.url
        self._scope = scope_of(start) if self._follows else site_scope(start)

    async def work(self) -> None:
        """Fetch and write until there is nothing left; for a refresh, then look after pages that no link led to."""
        rows = await jobs.frontier(self.run.database, self.run.job.id)
        self._frontier.restore(rows)
        tally = tally_of(rows)
        self.run.board.set(
            status="crawling",
            total_pages=self._frontier.size,
            tally=tally,
            chunks_total=tally.chunks_stored,
            chunks_embedded=tally.chunks_stored,
            code_blocks_found=self.run.board.now.code_examples_stored,
        )
        try:
            await self._know_stored()
            if not rows:
                await self._seed()
            await self._round()
            if self.run.job.kind == "refresh":
                await self._add_stored_pages()
                await self._round()
        finally:
            await self.visitor.close()
        self._say_what_was_left_out()

    async def help(self) -> None:
        """Fetch and write along with the worker that leads the crawl, until nothing is left to be shared."""
        self._frontier.restore(await jobs.frontier(self.run.database, self.run.job.id))
        try:
            await self._know_stored()
            await self._round()
        finally:
            await self.visitor.close()

    async def _know_stored(self) -> None:
        """Which pages a refresh may find gone or moved."""
        if self.run.job.kind == "refresh":
            self._stored = {key for _, key in await pages.addresses(self.run.database, self.run.source_id)}

    def _say_what_was_left_out(self) -> None:
        if self._frontier.left_out:
            self.run.board.remark(
                f"The limit of {self.request.max_pages} pages was reached; at least {self._frontier.left_out} more"
                " addresses were found."
            )
        for line in self._left_out.lines():
            self.run.board.remark(line)

    async def _seed(self) -> None:
        """The first addresses. Raises FetchFailed and its kin when a sitemap cannot be read."""
        url = self.request.url
        if not is_sitemap(url):
            await self._frontier.add([Link(url, "")], depth=1)
        else:
            self.run.board.note("Reading the sitemap")
            await self._add_sitemap(url)
        self.run.board.set(total_pages=self._frontier.size)

    async def _add_sitemap(self, url: str) -> None:
        found = await read_sitemap(self.fetcher, url)
        for nested, error in found.failures:
            self.run.board.remark(f"The nested sitemap {nested} was left out: {error.message}")
        is_start = is_sitemap(self.request.url)
        depth = self.request.max_depth if is_start else 2
        await self._add([Link(page, "") for page in found.urls], depth=depth, is_list=is_start)

    async def _add_stored_pages(self) -> None:
        stored = await pages.addresses(self.run.database, self.run.source_id)
        self._frontier.page_limit += len(stored)
        await self._frontier.add([Link(url, "") for url, _ in stored], depth=self.request.max_depth)
        self.run.board.set(total_pages=self._frontier.size)

    async def _round(self) -> None:
        """Fetchers and writers side by side. Raises what makes the whole job impossible."""
        try:
            async with asyncio.TaskGroup() as group:
                writers = [group.create_task(self._write_pages()) for _ in range(self.run.limits.writers)]
                fetchers = [group.create_task(self._fetch_pages()) for _ in range(self.run.limits.fetchers)]
                await asyncio.wait(fetchers)
                self.run.board.set(status="document_storage", message="Storing the last pages")
                await self._read.join()
                for writer in writers:
                    writer.cancel()
        except BaseExceptionGroup as error:
            raise first_of(error) from error

    async def _fetch_pages(self) -> None:
        while (taken := await self._frontier.take()) is not None:
            entry = taken.whole
            try:
                # Parts that wait (their worker died, or they are retried) are stored when the whole is read again.
                found = None if entry.address.key in self._visited else await self._visit(entry)
            finally:
                await self._frontier.explored()
            if found is not None:
                await self._read.put(found)

    async def _visit(self, entry: Entry) -> Reading | None:
        self._visited.add(entry.address.key)
        return await self._alone(entry, partial(self._explore, entry))

    async def _write_pages(self) -> None:
        while True:
            reading = await self._read.get()
            work = partial(storing.store, self.run, self.intake, reading.body, reading.documents)
            await self._alone(reading.entry, work)
            self._read.task_done()

    async def _alone(self, entry: Entry, work: Callable[[], Awaitable[_T]]) -> _T | None:
        """A page's own failure is noted and the others go on; any other one is raised."""
        try:
            return await work()
        except PageMissing as error:
            await self._missing(entry, error)
        except ArchonError as error:
            if not ends_page_only(error):
                raise
            await self.run.fail_page(entry.address.key, entry.address.url, error)
        return None

    async def _explore(self, entry: Entry) -> Reading | None:
        """Fetch and read one address and keep its links; None where there is nothing to be stored."""
        url, is_start = entry.address.url, entry.position == 0
        if is_start:
            await self._see_that_it_is_allowed(url)
        elif not await self._robots.allows(url):
            # Found by another worker or at another visit; and the host's pause has to be known to this one too.
            await storing.settle_aside(
                self.run, entry.address.key, "The site's robots.txt asks crawlers to leave it out."
            )
            return None
        self.run.board.set(current_url=url, message=f"Reading {url}")
        arrival = await self.visitor.fetch(entry)
        if is_start and arrival.fetched.url != url:
            await self._see_that_it_is_allowed(arrival.fetched.url)
        if is_start and self._follows:
            self._scope = scope_of(arrival.fetched.url)
            self.run.board.set(scope_url=arrival.fetched.url)
        if arrival.known is not None:
            self.run.board.set(tally=self.run.board.now.tally.counted("unchanged"))
            await self._add_links(entry, arrival.fetched.url, [Link(link, "") for link in arrival.known.links])
            return None
        if await self._is_aside(arrival):
            return None
        return await self._read_page(arrival)

    async def _see_that_it_is_allowed(self, url: str) -> None:
        if not await self._robots.allows(url):
            raise IngestError(
                "The site's robots.txt asks crawlers to leave this address out.",
                next_step="Ask the site's owner, or save the page and upload the file.",
                context=ErrorContext(operation="fetch", url=url),
            )

    async def _read_page(self, arrival: Arrival) -> Reading:
        reading = await self.visitor.read(arrival)
        first = reading.documents[0]
        if arrival.entry.position == 0 and not is_sitemap(self.request.url):
            self.run.board.set(title=first.whole_title or first.title)
        await self._add_links(arrival.entry, arrival.fetched.url, reading.links)
        self.run.board.found(reading.documents)
        self.run.board.set(total_pages=max(self._frontier.size, self.run.board.now.total_pages))
        links = [link.url for link in reading.links if self._scope.contains(link.url)]
        return reading.with_links(tuple(links[:_MOST_KEPT_LINKS]))

    async def _is_aside(self, arrival: Arrival) -> bool:
        """True, and noted, for what a link led to that is no new page of this site's part."""
        entry, fetched = arrival.entry, arrival.fetched
        key = canonical_url(fetched.url)
        if entry.position == 0:
            if key != entry.address.key:
                self._frontier.claim(key)
            return False
        if key != entry.address.key and fetched.has_moved and entry.address.key in self._stored:
            await self._moved(entry, fetched.url)
            return True
        reason = (await self._why_aside(key, fetched.url) if key != entry.address.key else None) or arrival.unreadable()
        if reason is not None:
            await storing.settle_aside(self.run, entry.address.key, reason)
        return reason is not None

    async def _why_aside(self, key: str, url: str) -> str | None:
        """Why what a link led to, another address than its own, is not stored; None: it is."""
        if not self._scope.contains(url):
            return "It leads out of the part of the site that is crawled."
        if not await self._robots.allows(url):
            return f"It leads to {url}, which the site's robots.txt asks crawlers to leave out."
        return None if self._frontier.claim(key) else f"It is the same page as {url}."

    async def _add_links(self, entry: Entry, url: str, links: Sequence[Link]) -> None:
        is_start = entry.position == 0
        is_list = is_start and leads_on(self.run.board.now.crawl_type)
        if entry.depth >= self.request.max_depth or not (self._follows or is_list):
            return
        # What a list of links leads to is followed no further.
        await self._add(links, depth=self.request.max_depth if is_list else entry.depth + 1, is_list=is_list)
        if is_start and self._follows:
            await self._add_sitemaps_of(url)

    async def _add_sitemaps_of(self, url: str) -> None:
        """Pages that the site lists itself; a site without a sitemap is no failure."""
        named = await self._robots.sitemaps(url)
        parts = canonical_url(url).split("/")
        for sitemap in named or ["/".join([*parts[:3], "sitemap.xml"])]:
            try:
                await self._add_sitemap(sitemap)
            except IngestError as error:
                if named:
                    self.run.board.remark(f"The sitemap {sitemap} was left out: {error.message}")

    async def _add(self, links: Sequence[Link], *, depth: int, is_list: bool = False) -> None:
        """Queue the links that are in scope, wanted, no traps, and that robots.txt allows.

        `is_list`: somebody chose them, so that it is said which of them lead elsewhere.
        """
        for start in range(0, len(links), _AT_ONCE):
            some = links[start : start + _AT_ONCE]
            wanted = [link for link in some if self._wants(link.url, is_list=is_list)]
            await self._frontier.add([link for link in wanted if await self._is_allowed(link.url)], depth=depth)
            await asyncio.sleep(0)

    def _wants(self, url: str, *, is_list: bool) -> bool:
        if not self._scope.contains(url):
            if is_list:
                self._left_out.add(url, _ELSEWHERE)
            return False
        if self._frontier.knows(url) or self._left_out.has(url) or not self._patterns.allow(url):
            return False
        trap = self._traps.reason(url)
        if trap is not None:
            self._left_out.add(url, trap)
        return trap is None

    async def _is_allowed(self, url: str) -> bool:
        allowed = await self._robots.allows(url)
        if not allowed:
            self._left_out.add(url, _REFUSED)
        return allowed

    async def _moved(self, entry: Entry, url: str) -> None:
        """A stored page is at another address for good: it goes here, and is visited there."""
        await self._add([Link(url, entry.address.label)], depth=entry.depth)
        await self._missing(entry, PageMissing(f"The page has moved to {url}."))

    async def _missing(self, entry: Entry, error: PageMissing) -> None:
        """A page that the site does not have: taken away where it was stored, else a failure."""
        place = self.run.place(entry.address.key)
        removed = await pages.remove(self.run.database, place, page_key=entry.address.key, error=error.to_dict())
        tally = self.run.board.now.tally
        tally = tally.counted("removed") if removed else tally.failed(entry.address.url, error)
        self.run.board.set(tally=tally)
