"""What decides which pages come: lists that sites make for readers like us, and patterns that people write."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import InvalidInput
from src.ingest.patterns import Patterns
from src.ingest.requests import CrawlRequest, crawl_of_json, crawl_to_json
from src.ingest.sections import split
from src.ingest.service import IngestService
from src.ingest.traps import Traps
from src.store import pages, sources
from src.store.database import Database
from tests.fakes.model_server import ModelServer

from .parts import embedded_texts, ended
from .site import Answer, Site, packed
from .test_crawl import small_site

FILLER = "Words that say something. " * 12
FULL = f"# First\n\n{FILLER}\n\n```python\n# not a heading\nx = 1\n```\n\n# Second part!\n\n{FILLER}\n"


def test_a_whole_documentation_is_cut_at_its_first_headings() -> None:
    parts = split(FULL)
    assert [(part.title, part.fragment) for part in parts] == [
        ("First", "section-0-first"),
        ("Second part!", "section-1-second-part"),
    ]
    assert "\n".join(part.text for part in parts).split() == FULL.split()


def test_a_text_without_headings_is_one_part() -> None:
    assert [part.title for part in split("only words")] == ["Full Document"]


def test_a_short_part_stays_with_the_one_before_it() -> None:
    assert [part.title for part in split(f"# A\n{FILLER}\n# B\nshort\n# C\n{FILLER}")] == ["A", "C"]


def test_a_fence_that_is_never_closed_takes_the_rest() -> None:
    assert len(split(f"# A\n{FILLER}\n```\n# B\n{FILLER}")) == 1


async def test_llms_full_is_a_page_for_each_part(
    site: Site, service: IngestService, database: Database, models: ModelServer
) -> None:
    site.page("/llms-full.txt", FULL, "text/plain")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/llms-full.txt"))))
    stored = await pages.listing(database, end.source_id)
    assert [(page.url, page.section_title) for page in stored] == [
        (site.url("/llms-full.txt#section-0-first"), "First"),
        (site.url("/llms-full.txt#section-1-second-part"), "Second part!"),
    ]
    assert (end.crawl_type, end.tally.pages_stored, end.tally.pages_failed) == ("llms_full", 2, 0)
    assert sum("Words that say" in text for text in embedded_texts(models)) >= 2


async def test_a_refresh_of_llms_full_embeds_the_changed_part_and_drops_the_vanished_one(
    site: Site, service: IngestService, database: Database
) -> None:
    third = f"# Third\n\n{FILLER}\n"
    site.page("/llms-full.txt", FULL + third, "text/plain")
    first = await ended(service, await service.start_crawl(CrawlRequest(site.url("/llms-full.txt"))))
    site.page("/llms-full.txt", FULL.replace("# First\n\nWords", "# First\n\nOther words"), "text/plain")
    again = await ended(service, await service.refresh(first.source_id))
    tally = again.tally
    assert (tally.pages_stored, tally.pages_unchanged, tally.pages_removed) == (1, 1, 1)
    assert [page.section_title for page in await pages.listing(database, first.source_id)] == ["First", "Second part!"]


async def test_nested_and_packed_sitemaps_are_read(site: Site, service: IngestService) -> None:
    small_site(site)
    inner = f"<urlset><url><loc>{site.url('/docs/a.html')}</loc></url></urlset>"
    site.page("/inner/sitemap.xml.gz", packed(inner.encode()), "application/gzip")
    dead = site.url("/dead/sitemap.xml")
    index = f"<sitemapindex><sitemap><loc>{site.url('/inner/sitemap.xml.gz')}</loc></sitemap>"
    site.page("/sitemap.xml", f"{index}<sitemap><loc>{dead}</loc></sitemap></sitemapindex>", "text/xml")
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/sitemap.xml"))))
    assert end.tally.pages_stored == 1
    assert any(dead in line for line in end.logs)


@pytest.mark.parametrize(
    ("include", "exclude", "url", "allowed"),
    [
        ((), (), "http://x.org/a", True),
        (("/docs/*",), (), "http://x.org/docs/a", True),
        (("/docs/*",), (), "http://x.org/docs/a/b", False),
        (("/docs/**",), (), "http://x.org/docs/a/b?q=1", True),
        ((), ("**/api/**",), "http://x.org/v1/api/x", False),
        ((), ("/?.html",), "http://x.org/a.html", False),
        ((), ("re:\\.(zip|html)$",), "http://x.org/a.html", False),
        ((r"re:^https?://[^/]+/([^/]+/){2}\d{4}-\d{2}$",), (), "http://x.org/a/b/2024-05", True),
        ((r"re:^https?://[^/]+/([^/]+/){2}\d{4}-\d{2}$",), (), "http://x.org/a/2024-05", False),
        (("http://x.org/a*",), (), "http://x.org/abc", True),
        (("/a.b",), (), "http://x.org/axb", False),
        (("/docs/**",), ("/docs/old/**",), "http://x.org/docs/old/x", False),
        (("/größe/*",), (), "http://x.org/gr%C3%B6%C3%9Fe/a%20b", True),
        (("/a b/gr%C3%B6*",), (), "http://x.org/a%20b/größe", True),
        (("/a*b*c",), (), "http://x.org/a1b2b3c", True),
        (("/a*b*c",), (), "http://x.org/a1/b2c", False),
        (("**/a*/x",), (), "http://x.org/a/b/a1/x", True),
        (("/a*/**/x*y",), (), "http://x.org/ab/c/x/d/xzy", True),
    ],
)
def test_patterns_decide(include: tuple[str, ...], exclude: tuple[str, ...], url: str, allowed: bool) -> None:
    assert Patterns.of(include, exclude).allow(url) is allowed


@given(text=st.text("ab/*?", min_size=1, max_size=12), path=st.text("ab/", max_size=14))
def test_a_glob_means_what_it_means_as_a_regular_expression(text: str, path: str) -> None:
    signs = {"*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*+|\?)", text)
    expression = "".join(".*" if part[:2] == "**" else signs.get(part) or re.escape(part) for part in parts)
    wanted = bool(re.fullmatch(f"/{expression}", f"/{path}"))
    assert Patterns.of((f"/{text}",), ()).allow(f"http://x.org/{path}") is wanted


@pytest.mark.timeout(20)
def test_a_glob_of_many_stars_is_compared_at_once() -> None:
    assert not Patterns.of(("/" + "**a*a" * 50 + "b",), ()).allow("http://x.org/" + "a" * 1900)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "expression", ["(a+)+$!", "(a|aa)*!", r"(\w+\s?)*$!", ".*" * 100 + "!", "(.*a){9}!", "(?:a{1,100}){1,8}!"]
)
def test_no_expression_takes_longer_than_its_address_is_long(expression: str) -> None:
    patterns = Patterns.of((f"re:{expression}",), ())
    began = time.thread_time()
    assert not any(patterns.allow(f"http://x.org/{'a' * 1900}{number}") for number in range(10))
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    "pattern", ["re:(", "re:(a{1,100}){1,100}", "re:(((a{9}){9}){9}){9}", r"re:(a)\1", "re:(?!a)b", "docs", "/" * 400]
)
def test_a_pattern_that_cannot_be_used_is_refused_with_its_field(pattern: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        CrawlRequest("http://x.org/", exclude=(pattern,)).checked()
    assert caught.value.context.field == "exclude"


async def test_patterns_are_kept_and_hold_for_a_refresh(site: Site, service: IngestService, database: Database) -> None:
    request = CrawlRequest(small_site(site), max_depth=3, exclude=("**/b.html",))
    end = await ended(service, await service.start_crawl(request))
    assert "/docs/b.html" not in site.hits
    assert (await sources.get(database, end.source_id)).metadata["exclude"] == ["**/b.html"]
    await ended(service, await service.refresh(end.source_id))
    assert "/docs/b.html" not in site.hits


def test_a_request_survives_its_row() -> None:
    request = CrawlRequest("http://x.org/", tags=("t",), include=("/a/**",), exclude=("re:x",), max_pages=7)
    assert crawl_of_json(crawl_to_json(request)) == request


async def test_a_site_that_asks_for_pauses_gets_them(site: Site, service: IngestService) -> None:
    start = small_site(site)
    site.page("/robots.txt", "User-agent: *\nCrawl-delay: 0.2", "text/plain")
    end = await ended(service, await service.start_crawl(CrawlRequest(start)))
    assert end.tally.pages_stored == 3
    assert end.elapsed_s >= 0.6


async def test_a_busy_site_is_asked_again_when_it_said(site: Site, service: IngestService) -> None:
    start = small_site(site)
    body = site.answers["/docs/a.html"][0]
    site.answer("/docs/a.html", Answer(status=429, headers={"Retry-After": "1"}), body)
    end = await ended(service, await service.start_crawl(CrawlRequest(start)))
    assert (end.tally.pages_stored, end.tally.pages_failed, site.hits.count("/docs/a.html")) == (3, 0, 2)


def test_traps_are_found_by_their_shape() -> None:
    traps = Traps()
    assert traps.reason("http://x.org/a/b/a/b/a/b/") is not None
    assert traps.reason("http://x.org/" + "d/e/f/g/" * 2) is None
    assert traps.reason("http://x.org/" + "/".join(map(str, range(40)))) is not None
    assert traps.reason("http://x.org/?" + "&".join(f"{n}=1" for n in range(20))) is not None
    variants = [traps.reason(f"http://x.org/list?sort={number}") for number in range(400)]
    assert (variants[0], variants[-1] is not None) == (None, True)


def test_pages_of_a_documentation_are_no_trap() -> None:
    traps = Traps()
    urls = [f"http://x.org/docs/3.{minor}/library/{name}.html" for minor in range(9) for name in "abcdefgh"]
    assert [url for url in urls if traps.reason(url)] == []
