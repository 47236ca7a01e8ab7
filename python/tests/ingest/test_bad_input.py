"""Pages as the web has them: too large, packed to burst, in the wrong signs, behind logins, without end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from src.ingest.document import Budget, CodeRules, ReadRequest
from src.ingest.fetch import open_fetcher
from src.ingest.progress import JobProgress
from src.ingest.reader import Readers
from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.store import pages
from src.store.database import Database
from tests.fakes.model_server import ModelServer

from .parts import POLICY, embedded_texts, ended, open_service
from .site import Answer, Site, packed

HTML = "text/html; charset=utf-8"
MEGABYTE = b"words and " * 100_000


@pytest.fixture
async def service(database: Database, models: ModelServer) -> AsyncIterator[IngestService]:
    async with open_service(database, models.url, policy=replace(POLICY, max_bytes=8_000_000)) as opened:
        yield opened


async def _crawled(service: IngestService, url: str, **options: int) -> JobProgress:
    return await ended(service, await service.start_crawl(CrawlRequest(url, **options)))


def _linked(site: Site, *paths: str) -> str:
    site.article("/d/", "Start", "The start has words.", paths)
    return site.url("/d/")


async def _text(database: Database, site: Site, path: str) -> str:
    return (await pages.by_url(database, site.url(path))).full_content


async def test_pages_without_measure_fail_alone_each_with_its_reason(site: Site, service: IngestService) -> None:
    site.answer("/d/huge", Answer(MEGABYTE, repeat=200, headers={"Content-Type": HTML}))
    site.page("/d/bomb", packed(b"\0" * 200_000_000), HTML, **{"Content-Encoding": "gzip"})
    site.page("/d/login", "<title>Sign in</title><form><p>Welcome</p><input name=u><input type=password></form>")
    site.answer("/d/secret", Answer(status=401))
    end = await _crawled(service, _linked(site, "huge", "bomb", "login", "secret"))
    reasons = {failure.url.rpartition("/")[2]: failure for failure in end.tally.failures}
    assert (end.status, end.tally.pages_stored, set(reasons)) == ("completed", 1, {"huge", "bomb", "login", "secret"})
    assert {reasons[name].code for name in ("huge", "bomb")} == {"document_too_large"}
    assert all("login" in reasons[name].error + reasons[name].next_step for name in ("login", "secret"))


async def test_every_script_and_every_charset_comes_as_it_was_written(
    site: Site, service: IngestService, database: Database
) -> None:
    site.page("/d/arabic", "<p dir=rtl>مرحبا بالعالم ‏(123)‏</p>")
    site.page("/d/cyrillic", "<p>Привет, мир</p>".encode("cp1251"), "text/html; charset=windows-1251")
    site.page("/d/lying", "<p>naïve café</p>".encode("cp1252"), HTML)
    site.page("/d/nul", b"<p>before\0after</p>")
    site.page("/d/emoji", "<p>family 👨‍👩‍👧 and 🏳️‍🌈</p>")
    end = await _crawled(service, _linked(site, "arabic", "cyrillic", "lying", "nul", "emoji"))
    read = [
        (await _text(database, site, f"/d/{name}")).strip() for name in ("arabic", "cyrillic", "lying", "nul", "emoji")
    ]
    assert end.tally.pages_failed == 0
    assert read == ["مرحبا بالعالم ‏(123)‏", "Привет, мир", "naïve café", "beforeafter", "family 👨‍👩‍👧 and 🏳️‍🌈"]


async def test_text_without_spaces_is_cut_and_whole(
    site: Site, service: IngestService, database: Database, models: ModelServer
) -> None:
    text = "今日は天気がいいので散歩に行きましょう。" * 200
    site.page("/d/", f"<html lang=ja><p>{text}</p>")
    end = await _crawled(service, site.url("/d/"), max_depth=1)
    chunks = (await pages.chunks(database, end.source_id, limit=100)).items
    assert (end.status, len(chunks) > 10) == ("completed", True)
    assert max(len(one) for one in embedded_texts(models)) < 600
    assert all(text.startswith(chunk.content[:20]) or chunk.content[:20] in text for chunk in chunks)


async def test_one_line_of_five_megabytes_is_cut_and_whole(site: Site) -> None:
    body = b"x" * 2_500_000 + b" " + b"y" * 2_400_000
    site.page("/d/", body, "text/plain")
    readers = Readers(max_processes=1)
    try:
        async with open_fetcher(replace(POLICY, max_bytes=8_000_000)) as fetcher:
            fetched = await fetcher.fetch(site.url("/d/"))
        request = ReadRequest("text", fetched.url, None, "", Budget(254, 1.3), CodeRules(wanted=False))
        (document,) = await readers.read(request, fetched.body)
    finally:
        await readers.close()
    assert sum(len(chunk.text.replace(" ", "")) for chunk in document.chunks) >= len(body) - 1
    assert max(chunk.estimated_tokens for chunk in document.chunks) <= 254


async def test_ten_thousand_links_are_no_burden(site: Site, service: IngestService) -> None:
    links = "".join(f'<a href="p{number}.html">page {number}</a> ' for number in range(10_000))
    site.page("/d/", f"<p>Words.</p>{links}")
    end = await _crawled(service, site.url("/d/"), max_pages=5)
    assert (end.tally.pages_stored, len(site.hits) < 12) == (1, True)
    assert any("limit of 5 pages" in line for line in end.logs)


async def test_a_sitemap_of_thirty_thousand_addresses_leaves_others_their_turns(
    site: Site, service: IngestService
) -> None:
    pages_listed = "".join(f"<url><loc>{site.url(f'/d/p{number}.html')}</loc></url>" for number in range(30_000))
    site.page("/sitemap.xml", f"<urlset>{pages_listed}</urlset>", "text/xml")
    site.article("/d/p0.html", "First", "Words.")
    crawl = asyncio.create_task(_crawled(service, site.url("/sitemap.xml"), max_pages=1))
    longest_s = 0.0
    while not crawl.done():
        asked_at = time.monotonic()
        await asyncio.sleep(0.001)
        longest_s = max(longest_s, time.monotonic() - asked_at)
    assert (crawl.result().tally.pages_stored, longest_s < 0.4) == (1, True)


async def test_a_page_that_gives_its_words_only_with_a_cookie_gets_it_back(site: Site, service: IngestService) -> None:
    body = b"<p>Words behind a cookie.</p>"
    site.answer("/d/", Answer(body, headers={"Content-Type": HTML}, cookie="seen"))
    end = await _crawled(service, site.url("/d/"), max_depth=1)
    assert (end.status, end.tally.pages_stored) == ("completed", 1)


async def test_a_page_that_goes_round_without_a_cookie_is_left(site: Site, service: IngestService) -> None:
    site.redirect("/d/", "/d/")
    end = await _crawled(service, site.url("/d/"), max_depth=1)
    assert end.detail is not None
    assert "circle" in str(end.detail["error"])


async def test_links_that_grow_by_following_them_end(site: Site, service: IngestService) -> None:
    path = "/d/"
    for _ in range(12):
        site.article(path, "Again", f"Words at {path}.", ("more/",))
        path += "more/"
    end = await _crawled(service, site.url("/d/"), max_depth=20, max_pages=100)
    assert end.tally.pages_stored <= 4
    assert any("repeat themselves" in line for line in end.logs)


async def test_a_list_with_endless_filters_ends(site: Site, service: IngestService) -> None:
    links = tuple(f"?sort={number}&page={number % 7}" for number in range(1000))
    site.article("/d/", "List", "Words.", links)
    end = await _crawled(service, site.url("/d/"), max_pages=20)
    assert any("only behind the" in line for line in end.logs)
    assert len([hit for hit in site.hits if "?" in hit]) <= 20
