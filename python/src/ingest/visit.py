"""One address visited: fetched if it changed, read, and drawn by a browser where it has no text without one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from src.errors import DocumentUnreadable, NeedsBrowser
from src.store.pages import KnownPage, Standing

from .addresses import canonical_url
from .browser import Browser
from .document import Document, Link
from .fetch import Fetched, Fetcher, Validators
from .frontier import Entry
from .intake import Body, Intake
from .kinds import kind_of
from .run import Run


@dataclass(frozen=True, slots=True)
class Arrival:
    """An address that answered. `known` is the stored page where the site says that it is still the same."""

    entry: Entry
    fetched: Fetched
    known: KnownPage | None = None

    def unreadable(self) -> str | None:
        """Why it is no page, None where it is one."""
        try:
            kind_of(self.fetched.content_type, self.fetched.url)
        except DocumentUnreadable as error:
            return error.message
        return None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read at an address."""

    entry: Entry
    body: Body
    documents: tuple[Document, ...]

    @property
    def links(self) -> tuple[Link, ...]:
        """Where it leads to."""
        return tuple(link for document in self.documents for link in document.links)

    def with_links(self, links: tuple[str, ...]) -> Reading:
        """Itself, with the links that are to be kept."""
        return replace(self, body=replace(self.body, links=links))


@dataclass(slots=True)
class Visitor:
    """Fetches and reads for one crawl."""

    run: Run
    intake: Intake
    fetcher: Fetcher
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.browser = Browser(self.fetcher)

    async def fetch(self, entry: Entry) -> Arrival:
        """The answer of an address; for a stored page only if it changed. Raises IngestError, StoreError."""
        url, key = entry.address.url, entry.address.key
        known = None
        if self.run.job.kind == "refresh":
            known = await self.intake.known(self.run.source_id, key)
        if known is None:
            return Arrival(entry, await self.fetcher.fetch(url))
        fetched = await self.fetcher.fetch(url, Validators(known.etag, known.last_modified))
        if not fetched.is_unchanged:
            return Arrival(entry, fetched)
        if await self.intake.keep(self.run.place(key), key, known.content_hash) is Standing.KEPT:
            return Arrival(entry, fetched, known)
        return Arrival(entry, await self.fetcher.fetch(url))

    async def read(self, arrival: Arrival) -> Reading:
        """The documents of an address.

        Raises:
            NeedsBrowser: it has no text without a browser, and there is none, or it did not help.
            IngestError, ProviderError: it cannot be read.
        """
        body = self._body(arrival)
        try:
            documents = await self.intake.read(body)
        except NeedsBrowser as error:
            self.browser.require(body.url, error)
            return await self._drawn(arrival.entry, body)
        if documents[0].is_thin and self.browser.may_help(body.url):
            drawn = await self._drawn_if_better(arrival.entry, body, documents)
            if drawn is not None:
                return drawn
        return Reading(arrival.entry, body, documents)

    async def close(self) -> None:
        """Close the browser, if one was opened."""
        await self.browser.close()

    async def _drawn(self, entry: Entry, body: Body) -> Reading:
        """The page as a browser draws it. Its site's validators are of the empty frame, so they are not kept."""
        html = await self.browser.html_of(body.url)
        drawn = replace(body, content=html.encode(), content_type="text/html", charset="utf-8", validators=Validators())
        try:
            documents = await self.intake.read(drawn)
        except NeedsBrowser:
            self.browser.learn(body.url, helped=False)
            raise
        self.browser.learn(body.url, helped=True)
        return Reading(entry, drawn, documents)

    async def _drawn_if_better(self, entry: Entry, body: Body, plain: tuple[Document, ...]) -> Reading | None:
        try:
            drawn = await self._drawn(entry, body)
        except NeedsBrowser:
            return None
        better = sum(document.word_count for document in drawn.documents) > plain[0].word_count
        self.browser.learn(body.url, helped=better)
        return drawn if better else None

    def _body(self, arrival: Arrival) -> Body:
        entry, fetched = arrival.entry, arrival.fetched
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
