"""Second visits embed only what changed; files are sources of their own."""

from __future__ import annotations

import pytest

from src.errors import DocumentTooLarge, DocumentUnreadable, InvalidInput, NotFound
from src.ingest.progress import JobProgress
from src.ingest.requests import CrawlRequest, UploadRequest
from src.ingest.service import IngestService
from src.store import jobs, pages, sources
from src.store.database import Database
from tests.fakes.model_server import ModelServer

from .files import pdf_with
from .parts import embedded_texts, ended
from .site import Answer, Site
from .test_crawl import small_site


async def _crawled(site: Site, service: IngestService) -> JobProgress:
    return await ended(service, await service.start_crawl(CrawlRequest(small_site(site), max_depth=3)))


async def test_an_unchanged_page_is_not_embedded_again(site: Site, service: IngestService, models: ModelServer) -> None:
    first = await _crawled(site, service)
    sent = [text for text in embedded_texts(models) if "Words of" in text]
    again = await ended(service, await service.refresh(first.source_id))
    assert [text for text in embedded_texts(models) if "Words of" in text] == sent
    assert (again.status, again.tally.pages_unchanged, again.tally.pages_stored) == ("completed", 4, 0)


async def test_a_changed_page_takes_the_place_of_its_old_self(
    site: Site, service: IngestService, database: Database
) -> None:
    first = await _crawled(site, service)
    site.article("/docs/b.html", "Page B", "Quite new words.", ())
    again = await ended(service, await service.refresh(first.source_id))
    page = await pages.by_url(database, site.url("/docs/b.html"))
    assert (again.tally.pages_stored, again.tally.pages_unchanged) == (1, 3)
    assert ("Quite new words." in page.full_content, page.chunk_count) == (True, 1)


async def test_a_vanished_page_goes_and_a_failing_one_stays(
    site: Site, service: IngestService, database: Database
) -> None:
    first = await _crawled(site, service)
    site.answer("/docs/b.html", Answer(status=410))
    site.answer("/docs/a.html", Answer(status=500))
    again = await ended(service, await service.refresh(first.source_id))
    urls = [page.url for page in await pages.listing(database, first.source_id)]
    assert urls == [site.url(f"/docs/{name}") for name in ("", "a.html", "c.html")]
    assert (again.tally.pages_removed, again.tally.pages_failed) == (1, 1)


@pytest.mark.parametrize("links", [("b.html", "new.html"), ("b.html",)])
async def test_a_page_that_moved_for_good_is_there_once(
    links: tuple[str, ...], site: Site, service: IngestService, database: Database
) -> None:
    first = await _crawled(site, service)
    site.article("/docs/", "Start", "The first page has other words.", links)
    site.article("/docs/new.html", "Page A", "Words of page a.", ("c.html",))
    site.redirect("/docs/a.html", "/docs/new.html", status=301)
    again = await ended(service, await service.refresh(first.source_id))
    urls = sorted(page.url for page in await pages.listing(database, first.source_id))
    assert urls == [site.url(f"/docs/{name}") for name in ("", "b.html", "c.html", "new.html")]
    assert (again.status, again.tally.pages_removed, again.tally.pages_failed) == ("completed", 1, 0)


async def test_a_site_that_leads_everything_to_one_page_for_a_while_loses_nothing(
    site: Site, service: IngestService, database: Database
) -> None:
    first = await _crawled(site, service)
    site.article("/docs/closed.html", "Closed", "Closed for maintenance.")
    for name in "abc":
        site.redirect(f"/docs/{name}.html", "/docs/closed.html", status=302)
    await ended(service, await service.refresh(first.source_id))
    urls = {page.url for page in await pages.listing(database, first.source_id)}
    assert {site.url(f"/docs/{name}.html") for name in "abc"} <= urls


async def test_a_page_that_no_link_leads_to_any_more_is_still_visited(site: Site, service: IngestService) -> None:
    first = await _crawled(site, service)
    site.article("/docs/", "Start", "No links any more.", ())
    site.hits.clear()
    again = await ended(service, await service.refresh(first.source_id))
    assert "/docs/c.html" in site.hits
    assert (again.tally.pages_unchanged, again.tally.pages_stored) == (3, 1)


async def test_a_site_that_is_away_loses_nothing(site: Site, service: IngestService, database: Database) -> None:
    first = await _crawled(site, service)
    for path in list(site.answers):
        site.answer(path, Answer(status=503))
    again = await ended(service, await service.refresh(first.source_id))
    assert again.status == "failed"
    assert (await sources.get(database, first.source_id)).page_count == 4


async def test_what_was_never_crawled_cannot_be_refreshed(service: IngestService) -> None:
    with pytest.raises(NotFound):
        await service.refresh("0123456789abcdef")
    file = await ended(service, await service.start_upload(UploadRequest("a.txt", b"some words")))
    with pytest.raises(InvalidInput, match="uploaded"):
        await service.refresh(file.source_id)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("guide.md", b"# Guide\n\nSome words.", "# Guide\n\nSome words."),
        ("notes.txt", "Größe".encode("latin-1"), "Größe"),
        ("page.html", b"<title>T</title><p>Some words.</p>", "Some words."),
        ("paper.PDF", pdf_with("Page one words", "Page two words"), "Page one words\n\nPage two words"),
    ],
)
async def test_files_are_stored(
    service: IngestService, database: Database, name: str, content: bytes, text: str
) -> None:
    end = await ended(service, await service.start_upload(UploadRequest(name, content, tags=("t",))))
    listed = await pages.listing(database, end.source_id)
    assert (end.status, len(listed)) == ("completed", 1)
    assert (await pages.get(database, listed[0].id)).full_content.strip() == text
    assert end.source_id in listed[0].url


async def test_a_pdf_passage_knows_its_page(service: IngestService, database: Database) -> None:
    end = await ended(service, await service.start_upload(UploadRequest("a.pdf", pdf_with("One words", "Two words"))))
    chunks = await pages.chunks(database, end.source_id)
    assert [(chunk.page_number, chunk.content) for chunk in chunks.items] == [(1, "One words"), (2, "Two words")]


async def test_a_refresh_leaves_out_what_robots_txt_forbids_by_now(
    site: Site, service: IngestService, database: Database
) -> None:
    first = await ended(service, await service.start_crawl(CrawlRequest(small_site(site))))
    site.page("/robots.txt", "User-agent: *\nDisallow: /docs/b.html", "text/plain")
    site.hits.clear()
    end = await ended(service, await service.refresh(first.source_id))
    assert (end.status, end.tally.pages_skipped, "/docs/b.html" in site.hits) == ("completed", 1, False)
    assert await pages.by_url(database, site.url("/docs/b.html"))


async def test_the_same_file_twice_is_embedded_once(service: IngestService, models: ModelServer) -> None:
    request = UploadRequest("a.txt", b"words that are embedded once")
    first = await ended(service, await service.start_upload(request))
    again = await ended(service, await service.start_upload(request))
    assert (first.source_id, again.tally.pages_unchanged) == (again.source_id, 1)
    assert sum("embedded once" in text for text in embedded_texts(models)) == 1


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.pdf", b"this is no PDF", "document_unreadable"),
        ("a.pdf", b"%PDF-1.7 cut", "document_unreadable"),
        ("a.html", b"<html></html>", "document_unreadable"),
        ("a.txt", b"\x00\x01\x02", "document_unreadable"),
        ("a.md", b" \n ", "document_unreadable"),
    ],
)
async def test_a_file_that_cannot_be_read_fails_with_its_reason(
    service: IngestService, database: Database, name: str, content: bytes, code: str
) -> None:
    end = await ended(service, await service.start_upload(UploadRequest(name, content)))
    assert (end.status, end.detail and end.detail["code"]) == ("failed", code)
    assert (await sources.summaries(database)).total == 0


async def test_files_that_are_refused_make_no_job(service: IngestService, database: Database) -> None:
    with pytest.raises(DocumentUnreadable):
        await service.start_upload(UploadRequest("tool.exe", b"MZ"))
    with pytest.raises(DocumentTooLarge, match="2 MB"):
        await service.start_upload(UploadRequest("a.txt", b"x" * 2_000_001))
    with pytest.raises(InvalidInput):
        await service.start_upload(UploadRequest("a.txt", b""))
    assert await jobs.unfinished(database) == []


async def test_a_path_in_a_file_name_is_left_out(service: IngestService, database: Database) -> None:
    end = await ended(service, await service.start_upload(UploadRequest("../..\\etc/pass wd.txt", b"words")))
    assert (await sources.get(database, end.source_id)).display_name == "pass wd.txt"


async def test_a_very_long_file_name_keeps_its_ending(service: IngestService) -> None:
    end = await ended(service, await service.start_upload(UploadRequest("n" * 300 + ".md", b"# Words\n\nof a file")))
    assert (end.status, len(end.filename), end.filename[-4:]) == ("completed", 200, "n.md")
