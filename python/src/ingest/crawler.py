"""Fetchers that feed writers, side by side, until the frontier is empty."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from src.errors import ArchonError, DocumentUnreadable, ErrorContext, IngestError, JsonValue, PageMissing
from src.store import jobs, pages

from .addresses import canonical_url
from .document import Document, Link
from .extract import kind_of
from .fetch import Fetched, Fetcher
from .frontier import Entry, Frontier, Scope, scope_of, site_scope
from .intake import Body, Intake
from .progress import tally_of
from .requests import CrawlRequest
from .robots import Robots
from .run import Run, ends_page_only, first_of
from .sitemap import is_sitemap, read_sitemap

_QUEUE = 32
_T = TypeVar("_T")


@dataclass(slots=True)
class Crawler:
    """One crawl: its frontier and what is known of the site."""

    run: Run
    request: CrawlRequest
    intake: Intake
    fetcher: Fetcher
    _frontier: Frontier = field(init=False)
    _robots: Robots = field(init=False)
    _scope: Scope = field(init=False)
    _follows: bool = field(init=False)
    _read: asyncio.Queue[tuple[Entry, Body, Document]] = field(default_factory=lambda: asyncio.Queue(_QUEUE))

    def __post_init__(self) -> None:
        self._frontier = Frontier(self.run.database, self.run.job.id, self.request.max_pages)
        self._robots = Robots(self.fetcher)
        kind = self.run.board.now.crawl_type
        self._follows = kind == "normal"
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
        )
        if not rows:
            await self._seed()
        await self._round()
        if self.run.job.kind == "refresh":
            await self._add_stored_pages()
            await self._round()
        if self._frontier.left_out:
            self.run.board.note(
                f"The limit of {self.request.max_pages} pages was reached; at least {self._frontier.left_out} more"
                " addresses were found."
            )

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
            self.run.board.note(f"The nested sitemap {nested} was left out: {error.message}")
        depth = self.request.max_depth if is_sitemap(self.request.url) else 2
        await self._add([Link(page, "") for page in found.urls], depth=depth)

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
        while (entry := await self._frontier.take()) is not None:
            try:
                found = await self._alone(entry, self._explore(entry))
            finally:
                await self._frontier.explored()
            if found is not None:
                await self._read.put((entry, *found))

    async def _write_pages(self) -> None:
        while True:
            entry, body, document = await self._read.get()
            await self._alone(entry, self._store(body, document))
            self._read.task_done()

    async def _alone(self, entry: Entry, work: Coroutine[object, object, _T]) -> _T | None:
        """A page's own failure is noted and the others go on; any other one is raised."""
        try:
            return await work
        except PageMissing as error:
            await self._missing(entry, error)
        except ArchonError as error:
            if not ends_page_only(error):
                raise
            await self.run.fail_page(entry.address.key, entry.address.url, error)
        return None

    async def _explore(self, entry: Entry) -> tuple[Body, Document] | None:
        """Fetch and read one address and keep its links; None where it turns out to be no page of its own."""
        url, is_start = entry.address.url, entry.position == 0
        if is_start and not await self._robots.allows(url):
            raise IngestError(
                "The site's robots.txt asks crawlers to leave this address out.",
                next_step="Ask the site's owner, or save the page and upload the file.",
                context=ErrorContext(operation="fetch", url=url),
            )
        self.run.board.set(current_url=url, message=f"Reading {url}")
        fetched = await self.fetcher.fetch(url)
        if is_start and self._follows:
            self._scope = scope_of(fetched.url)
            self.run.board.set(scope_url=fetched.url)
        if await self._is_aside(entry, fetched):
            return None
        body = self._body(entry, fetched)
        document = await self.intake.read(body)
        if is_start and not is_sitemap(self.request.url):
            self.run.board.set(title=document.title)
        await self._add_links(entry, fetched, document)
        now = self.run.board.now
        self.run.board.set(total_pages=self._frontier.size, chunks_total=now.chunks_total + len(document.chunks))
        return body, document

    async def _is_aside(self, entry: Entry, fetched: Fetched) -> bool:
        """True, and noted, for what a link led to that is no new page of this site's part."""
        key = canonical_url(fetched.url)
        if entry.position == 0:
            if key != entry.address.key:
                self._frontier.claim(key)
            return False
        reason = None
        if key != entry.address.key and not self._scope.contains(fetched.url):
            reason = "It leads out of the part of the site that is crawled."
        elif key != entry.address.key and not self._frontier.claim(key):
            reason = f"It is the same page as {fetched.url}."
        else:
            reason = _unreadable(fetched)
        if reason is not None:
            await self._settle(entry, "skipped", {"error": reason, "code": "skipped", "next_step": ""})
        return reason is not None

    def _body(self, entry: Entry, fetched: Fetched) -> Body:
        return Body(
            place=self.run.place(entry.address.key),
            url=fetched.url,
            url_key=canonical_url(fetched.url),
            content_type=fetched.content_type,
            charset=fetched.charset,
            content=fetched.body,
            label=entry.address.label,
            position=entry.position,
            validators=fetched.validators,
        )

    async def _add_links(self, entry: Entry, fetched: Fetched, document: Document) -> None:
        is_start = entry.position == 0
        is_list = is_start and self.run.board.now.crawl_type == "llms-txt"
        if entry.depth >= self.request.max_depth or not (self._follows or is_list):
            return
        # What a list of links leads to is followed no further.
        await self._add(document.links, depth=self.request.max_depth if is_list else entry.depth + 1)
        if is_start and self._follows:
            await self._add_sitemaps_of(fetched.url)

    async def _add_sitemaps_of(self, url: str) -> None:
        """Pages that the site lists itself; a site without a sitemap is no failure."""
        named = await self._robots.sitemaps(url)
        parts = canonical_url(url).split("/")
        for sitemap in named or ["/".join([*parts[:3], "sitemap.xml"])]:
            try:
                await self._add_sitemap(sitemap)
            except IngestError as error:
                if named:
                    self.run.board.note(f"The sitemap {sitemap} was left out: {error.message}")

    async def _add(self, links: Iterable[Link], *, depth: int) -> None:
        """Queue the links that are in scope and that robots.txt allows."""
        wanted = [link for link in links if self._scope.contains(link.url) and not self._frontier.knows(link.url)]
        allowed = [link for link in wanted if await self._robots.allows(link.url)]
        await self._frontier.add(allowed, depth=depth)

    async def _store(self, body: Body, document: Document) -> None:
        written = await self.intake.write(body, document)
        if written.unchanged:
            self.run.board.embedded(len(document.chunks))
        tally = self.run.board.now.tally
        tally = tally.counted("unchanged") if written.unchanged else tally.stored(written.chunks, written.words)
        self.run.board.set(tally=tally)

    async def _missing(self, entry: Entry, error: PageMissing) -> None:
        """A page that the site does not have: taken away where it was stored, else a failure."""
        place = self.run.place(entry.address.key)
        removed = await pages.remove(self.run.database, place, page_key=entry.address.key, error=error.to_dict())
        tally = self.run.board.now.tally
        tally = tally.counted("removed") if removed else tally.failed(entry.address.url, error)
        self.run.board.set(tally=tally)

    async def _settle(self, entry: Entry, state: str, reason: dict[str, JsonValue]) -> None:
        await jobs.settle_address(
            self.run.database, self.run.job.id, self.run.worker, entry.address.key, state=state, error=reason
        )
        self.run.board.set(tally=self.run.board.now.tally.counted(state))


def _unreadable(fetched: Fetched) -> str | None:
    """Why a link's target is no page, None where it is one."""
    try:
        kind_of(fetched.content_type, fetched.url)
    except DocumentUnreadable as error:
        return error.message
    return None
