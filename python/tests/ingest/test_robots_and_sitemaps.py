"""robots.txt and sitemaps of a real site."""

from __future__ import annotations

import pytest

from src.errors import FetchFailed
from src.ingest.fetch import Fetcher
from src.ingest.robots import Robots
from src.ingest.sitemap import is_sitemap, parse, read_sitemap

from .site import Answer, Site, packed


async def test_what_robots_txt_forbids_is_not_allowed(site: Site, fetcher: Fetcher) -> None:
    site.page("/robots.txt", "User-agent: *\nDisallow: /private/\nSitemap: http://x.org/s.xml", "text/plain")
    robots = Robots(fetcher)
    assert await robots.allows(site.url("/open"))
    assert not await robots.allows(site.url("/private/a"))
    assert await robots.sitemaps(site.url("/")) == ["http://x.org/s.xml"]
    assert site.hits == ["/robots.txt"]


async def test_a_byte_order_mark_hides_no_rule(site: Site, fetcher: Fetcher) -> None:
    site.page("/robots.txt", "\ufeffUser-agent: *\r\nDisallow: /private/\r\n", "text/plain")
    assert not await Robots(fetcher).allows(site.url("/private/a"))


async def test_a_rule_for_our_name_counts(site: Site, fetcher: Fetcher) -> None:
    site.page("/robots.txt", "User-agent: ArchonBot\nDisallow: /\n\nUser-agent: *\nAllow: /", "text/plain")
    assert not await Robots(fetcher).allows(site.url("/open"))


@pytest.mark.parametrize("status", [404, 403, 401])
async def test_without_a_readable_robots_txt_everything_is_allowed(site: Site, fetcher: Fetcher, status: int) -> None:
    site.answer("/robots.txt", Answer(status=status))
    assert await Robots(fetcher).allows(site.url("/a"))


async def test_a_robots_txt_that_fails_keeps_us_out(site: Site, fetcher: Fetcher) -> None:
    site.answer("/robots.txt", Answer(status=500))
    with pytest.raises(FetchFailed):
        await Robots(fetcher).allows(site.url("/a"))


def _urls(*urls: str) -> str:
    return "<urlset>" + "".join(f"<url><loc> {url} </loc></url>" for url in urls) + "</urlset>"


def _index(*urls: str) -> str:
    return "<sitemapindex>" + "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls) + "</sitemapindex>"


async def test_a_sitemap_lists_its_pages_once(site: Site, fetcher: Fetcher) -> None:
    site.page("/sitemap.xml", _urls("http://x.org/a?b=1&amp;c=2", "http://x.org/b", "http://x.org/b/"), "text/xml")
    assert (await read_sitemap(fetcher, site.url("/sitemap.xml"))).urls == ("http://x.org/a?b=1&c=2", "http://x.org/b/")


async def test_comments_and_pictures_of_a_sitemap_are_no_pages(site: Site, fetcher: Fetcher) -> None:
    picture = "<image:image><image:loc>http://x.org/pic</image:loc></image:image>"
    old = "<!-- <url><loc>http://x.org/old</loc></url> -->"
    body = f'<s:urlset xmlns:s="x"><s:url><s:loc>http://x.org/a</s:loc>{picture}</s:url>{old}</s:urlset>'
    site.page("/sitemap.xml", body, "text/xml")
    assert (await read_sitemap(fetcher, site.url("/sitemap.xml"))).urls == ("http://x.org/a",)


async def test_a_sitemap_of_two_bytes_a_sign_is_read(site: Site, fetcher: Fetcher) -> None:
    site.page("/sitemap.xml", _urls("http://x.org/ä").encode("utf-16"), "text/xml; charset=utf-16")
    assert (await read_sitemap(fetcher, site.url("/sitemap.xml"))).urls == ("http://x.org/ä",)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "hostile", ["<loc>" * 200_000, "<loc " * 200_000, f"<loc>{' ' * 400_000}", f"<{'a' * 400_000}"]
)
def test_a_hostile_sitemap_is_read_in_no_time(hostile: str) -> None:
    assert parse(f"<urlset>{hostile}{_urls('http://x.org/a')}")[0][-1:] == ["http://x.org/a"]


async def test_nested_and_packed_sitemaps_are_read_and_dead_ones_named(site: Site, fetcher: Fetcher) -> None:
    parts = (site.url("/s1.xml.gz"), site.url("/dead.xml"), site.url("/deep.xml"), "http://other.invalid/s.xml")
    site.page("/sitemap.xml", _index(*parts), "text/xml")
    site.page("/s1.xml.gz", packed(_urls("http://x.org/1").encode()), "application/gzip")
    site.page("/deep.xml", _index(site.url("/s2.xml"), site.url("/sitemap.xml")), "text/xml")
    site.page("/s2.xml", _urls("http://x.org/2"), "text/xml")
    found = await read_sitemap(fetcher, site.url("/sitemap.xml"))
    assert set(found.urls) == {"http://x.org/1", "http://x.org/2"}
    assert [url for url, _ in found.failures] == [site.url("/dead.xml")]


def test_sitemaps_are_known_by_their_name() -> None:
    assert is_sitemap("https://x.org/docs/sitemap_index.xml")
    assert is_sitemap("https://x.org/sitemap.xml.gz?x=1")
    assert not is_sitemap("https://x.org/feed.xml")
