"""A refresh asks the site whether a page changed, and takes its word."""

from __future__ import annotations

import pytest

from src.ingest.progress import JobProgress
from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.store import pages
from src.store.database import Database
from tests.fakes.model_server import ModelServer

from .parts import embedded_texts, ended
from .site import Site


def _article(title: str, text: str, *links: str) -> str:
    anchors = "".join(f'<a href="{link}">{link}</a>' for link in links)
    return f"<title>{title}</title><main><h1>{title}</h1><p>{text}</p>{anchors}</main>"


async def _crawled(site: Site, service: IngestService, **validators: str) -> JobProgress:
    site.page("/docs/", _article("Start", "First words.", "a.html", "b.html"), **validators)
    site.page("/docs/a.html", _article("A", "Words of a.", "c.html"), **validators)
    site.page("/docs/b.html", _article("B", "Words of b."))
    site.page("/docs/c.html", _article("C", "Words of c."), **validators)
    return await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/"), max_depth=3)))


@pytest.mark.parametrize(
    "validators", [{"ETag": '"1"'}, {"Last-Modified": "Tue, 01 Sep 2026 10:00:00 GMT"}, {"ETag": 'W/"x y"'}]
)
async def test_a_page_that_did_not_change_is_not_sent_again(
    site: Site, service: IngestService, models: ModelServer, validators: dict[str, str]
) -> None:
    first = await _crawled(site, service, **validators)
    sent = [text for text in embedded_texts(models) if "ords" in text]
    again = await ended(service, await service.refresh(first.source_id))
    assert sorted(site.unchanged) == ["/docs/", "/docs/a.html", "/docs/c.html"]
    assert (again.status, again.tally.pages_unchanged, again.tally.pages_stored) == ("completed", 4, 0)
    assert [text for text in embedded_texts(models) if "ords" in text] == sent


async def test_links_of_unchanged_pages_are_still_followed(
    site: Site, service: IngestService, database: Database
) -> None:
    site.page("/docs/", _article("Start", "First words.", "a.html"), ETag='"1"')
    first = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/"), max_depth=3)))
    site.page("/docs/a.html", _article("A", "It was missing before."))
    again = await ended(service, await service.refresh(first.source_id))
    assert (first.tally.pages_failed, again.tally.pages_stored, site.unchanged) == (1, 1, ["/docs/"])
    assert len(await pages.listing(database, first.source_id)) == 2


async def test_a_changed_page_comes_whole(site: Site, service: IngestService, database: Database) -> None:
    first = await _crawled(site, service, ETag='"1"')
    site.page("/docs/a.html", _article("A", "New words."), ETag='"2"')
    again = await ended(service, await service.refresh(first.source_id))
    assert (again.tally.pages_stored, again.tally.pages_unchanged) == (1, 3)
    assert "New words." in (await pages.by_url(database, site.url("/docs/a.html"))).full_content


async def test_a_site_that_always_says_unchanged_is_asked_only_for_what_is_stored(
    site: Site, service: IngestService
) -> None:
    site.page("/docs/", _article("Start", "Words."), ETag='"1"')
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/docs/"))))
    assert (end.tally.pages_stored, site.unchanged) == (1, [])
