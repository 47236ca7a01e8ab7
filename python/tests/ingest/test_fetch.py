"""The fetcher against a real site that misbehaves."""

from __future__ import annotations

import asyncio
import socket
import time
import zlib

import pytest

from src.errors import DocumentTooLarge, FetchFailed, PageMissing
from src.ingest.fetch import Fetcher

from .site import Answer, Site, packed


async def test_a_page_comes_with_its_type_charset_and_validators(site: Site, fetcher: Fetcher) -> None:
    site.page("/a", "<p>ü</p>".encode("latin-1"), "Text/HTML; charset=ISO-8859-1", ETag='"1"')
    page = await fetcher.fetch(site.url("/a"))
    assert (page.content_type, page.charset, page.validators.etag) == ("text/html", "ISO-8859-1", '"1"')
    assert page.body == b"<p>\xfc</p>"
    assert "ArchonBot" in site.agents.pop()


async def test_redirects_are_followed_to_the_last_address(site: Site, fetcher: Fetcher) -> None:
    site.redirect("/a", "b/c?d=1", 301)
    site.redirect("/b/c?d=1", site.url("/e"), 308)
    site.page("/e", "here")
    assert (await fetcher.fetch(site.url("/a"))).url == site.url("/e")


async def test_a_redirect_loop_is_named(site: Site, fetcher: Fetcher) -> None:
    site.redirect("/a", "/b")
    site.redirect("/b", "/a")
    with pytest.raises(FetchFailed, match="circle"):
        await fetcher.fetch(site.url("/a"))


async def test_endless_redirects_end(site: Site, fetcher: Fetcher) -> None:
    for number in range(30):
        site.redirect(f"/{number}", f"/{number + 1}")
    with pytest.raises(FetchFailed, match="more than 10"):
        await fetcher.fetch(site.url("/0"))
    assert len(site.hits) <= 12


@pytest.mark.parametrize("status", [404, 410])
async def test_a_missing_page_is_not_asked_for_twice(site: Site, fetcher: Fetcher, status: int) -> None:
    site.answer("/a", Answer(status=status))
    with pytest.raises(PageMissing) as caught:
        await fetcher.fetch(site.url("/a"))
    assert (caught.value.context.status, len(site.hits)) == (status, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 451, 501])
async def test_a_refusal_is_not_repeated(site: Site, fetcher: Fetcher, status: int) -> None:
    site.answer("/a", Answer(status=status))
    with pytest.raises(FetchFailed, match=str(status)):
        await fetcher.fetch(site.url("/a"))
    assert len(site.hits) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_what_heals_is_tried_again(site: Site, fetcher: Fetcher, status: int) -> None:
    site.answer("/a", Answer(status=status), Answer(status=status), Answer(b"well"))
    assert (await fetcher.fetch(site.url("/a"))).body == b"well"


async def test_a_site_that_stays_broken_is_given_up(site: Site, fetcher: Fetcher) -> None:
    site.answer("/a", Answer(status=503))
    with pytest.raises(FetchFailed, match="503") as caught:
        await fetcher.fetch(site.url("/a"))
    assert (caught.value.context.attempts, len(site.hits)) == (4, 4)


async def test_retry_after_is_obeyed(site: Site, fetcher: Fetcher) -> None:
    site.answer("/a", Answer(status=429, headers={"Retry-After": "1"}), Answer(b"well"))
    started = time.monotonic()
    await fetcher.fetch(site.url("/a"))
    assert time.monotonic() - started >= 0.9


async def test_a_retry_after_of_hours_is_not_waited_for(site: Site, fetcher: Fetcher) -> None:
    site.answer("/a", Answer(status=429, headers={"Retry-After": "7200"}))
    with pytest.raises(FetchFailed, match="429") as caught:
        await fetcher.fetch(site.url("/a"))
    assert ("refresh" in caught.value.next_step, len(site.hits)) == (True, 1)


async def test_a_large_page_is_left_at_the_limit(site: Site, fetcher: Fetcher) -> None:
    site.answer("/big", Answer(b"x" * 1_000_000, repeat=50))
    with pytest.raises(DocumentTooLarge, match="1 MB"):
        await fetcher.fetch(site.url("/big"))


async def test_a_gzip_bomb_is_left_at_the_limit(site: Site, fetcher: Fetcher) -> None:
    site.page("/bomb", packed(b"\0" * 300_000_000), **{"Content-Encoding": "gzip"})
    with pytest.raises(DocumentTooLarge):
        await fetcher.fetch(site.url("/bomb"))


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", packed(b"hello") + packed(b" again")), ("deflate", zlib.compress(b"hello again")),
     ("deflate", zlib.compress(b"hello again", wbits=-15)), ("identity", b"hello again")],
)  # fmt: skip
async def test_packed_answers_are_unpacked(site: Site, fetcher: Fetcher, encoding: str, body: bytes) -> None:
    site.page("/a", body, **{"Content-Encoding": encoding})
    assert (await fetcher.fetch(site.url("/a"))).body == b"hello again"


async def test_damaged_compression_is_said(site: Site, fetcher: Fetcher) -> None:
    site.page("/a", b"no gzip at all", **{"Content-Encoding": "gzip"})
    with pytest.raises(FetchFailed, match="compression"):
        await fetcher.fetch(site.url("/a"))


async def test_a_site_that_never_answers_is_given_up(site: Site, fetcher: Fetcher) -> None:
    site.answer("/a", Answer(hold=asyncio.Event()))
    fetcher.policy = type(fetcher.policy)(allow_private=True, attempts=1)
    with pytest.raises(FetchFailed, match="in time"):
        await fetcher.fetch(site.url("/a"))


async def test_a_connection_that_breaks_is_tried_again(site: Site, fetcher: Fetcher) -> None:
    site.answer("/a", Answer(b"half", cut=True), Answer(b"whole"))
    assert (await fetcher.fetch(site.url("/a"))).body == b"whole"


async def test_a_closed_port_is_said_plainly(fetcher: Fetcher) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(FetchFailed, match="cannot be reached"):
            await fetcher.fetch(f"http://127.0.0.1:{probe.getsockname()[1]}/")


async def test_an_unknown_host_is_said_plainly(fetcher: Fetcher) -> None:
    with pytest.raises(FetchFailed, match="resolved"):
        await fetcher.fetch("http://no-such-host.invalid/")


async def test_a_host_gets_no_more_than_its_share_of_requests(site: Site, fetcher: Fetcher) -> None:
    gate = asyncio.Event()
    for number in range(20):
        site.answer(f"/{number}", Answer(b"x", hold=gate))
    site.answer("/0", Answer(b"x"))
    tasks = [asyncio.create_task(fetcher.fetch(site.url(f"/{number}"))) for number in range(20)]
    await tasks[0]
    waiting = len(site.hits)
    gate.set()
    await asyncio.gather(*tasks)
    assert waiting <= fetcher.policy.per_host + 1
