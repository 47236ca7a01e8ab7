"""Pages that have no text without a browser, drawn by a real Chromium that never touches the network itself."""

from __future__ import annotations

import pytest

from src.ingest import browser
from src.ingest.fetch import Fetched, Fetcher
from src.ingest.guard import Guard
from src.ingest.progress import JobProgress
from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.store import pages
from src.store.database import Database

from .parts import ended
from .site import Site, running_site

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.program() is None, reason="no Chromium on this machine"),
]
APP = '<html lang="en"><title>App</title><body><div id="root"></div><script src="/app.js"></script>'
SCRIPT = """fetch('/data.json').then(r => r.json()).then(d => {
  document.getElementById('root').innerHTML = `<main><h1>${d.title}</h1><p>${d.text}</p><a href="b.html">b</a></main>`;
});"""


def _app(site: Site, text: str = "Words that only a browser sees.") -> str:
    site.page("/docs/", APP, ETag='"shell"')
    site.page("/app.js", SCRIPT, "text/javascript")
    site.page("/data.json", f'{{"title": "Drawn", "text": "{text}"}}', "application/json")
    site.article("/docs/b.html", "Plain", "Plain words.")
    return site.url("/docs/")


async def _crawled(service: IngestService, url: str, depth: int = 2) -> JobProgress:
    return await ended(service, await service.start_crawl(CrawlRequest(url, max_depth=depth)))


async def test_a_page_without_text_is_drawn_and_its_links_are_followed(
    site: Site, service: IngestService, database: Database
) -> None:
    end = await _crawled(service, _app(site))
    drawn = await pages.by_url(database, site.url("/docs/"))
    assert (end.status, end.tally.pages_stored, end.tally.failures) == ("completed", 2, ())
    assert "# Drawn\n\nWords that only a browser sees." in drawn.full_content


async def test_a_drawn_page_is_drawn_again_though_its_frame_is_unchanged(
    site: Site, service: IngestService, database: Database
) -> None:
    first = await _crawled(service, _app(site), depth=1)
    _app(site, "Quite new words.")
    again = await ended(service, await service.refresh(first.source_id))
    assert (again.tally.pages_stored, site.unchanged) == (1, [])
    assert "Quite new words." in (await pages.by_url(database, site.url("/docs/"))).full_content


async def test_a_page_with_text_is_never_drawn(site: Site, service: IngestService) -> None:
    site.page("/docs/", f"{APP}<main><p>{'Words without a browser. ' * 10}</p></main>")
    site.page("/app.js", "document.body.innerHTML = 'gone'", "text/javascript")
    end = await _crawled(service, site.url("/docs/"), depth=1)
    assert (end.tally.pages_stored, "/app.js" in site.hits) == (1, False)


async def test_the_browser_itself_reaches_nothing(site: Site, service: IngestService) -> None:
    async with running_site() as inner:
        tries = (
            f"new WebSocket('{inner.base.replace('http', 'ws')}/socket')",
            f"navigator.sendBeacon('{inner.url('/beacon')}', 'x')",
            f"fetch('{inner.url('/post')}', {{method: 'POST', body: 'x'}})",
            f"new Image().src = '{inner.url('/picture')}'",
            f"document.body.innerHTML += '<iframe src={inner.url('/frame')}></iframe>'",
        )
        draw = "document.getElementById('root').innerText = 'Drawn words.'"
        script = ";".join(f"try {{ {one} }} catch (e) {{}}" for one in tries)
        site.page("/docs/", APP)
        site.page("/app.js", f"{script};{draw}", "text/javascript")
        end = await _crawled(service, site.url("/docs/"), depth=1)
    assert (end.tally.pages_stored, [path for path in inner.hits if path != "/frame"]) == (1, [])


async def test_a_page_in_the_browser_cannot_ask_for_private_addresses(fetcher: Fetcher, site: Site) -> None:
    asked: list[str] = []

    class Public:
        """A fetcher for which only the site itself is no private address."""

        async def fetch(self, url: str) -> Fetched:
            asked.append(url)
            if not url.startswith(site.base):
                Guard().check_url(url)
            return await fetcher.fetch(url)

    site.page(
        "/docs/", f"{APP}<script>fetch('http://127.0.0.1:1/metadata').catch(e => document.title = 'refused')</script>"
    )
    site.page("/app.js", "1", "text/javascript")
    drawing = browser.Browser(Public())  # type: ignore[arg-type]
    try:
        html = await drawing.html_of(site.url("/docs/"))
    finally:
        await drawing.close()
    assert "http://127.0.0.1:1/metadata" in asked
    assert "<title>refused</title>" in html


async def test_a_machine_without_a_browser_says_so(
    site: Site, service: IngestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    end = await _crawled(service, _app(site), depth=1)
    assert end.status == "failed"
    assert end.detail is not None
    assert "no browser on this machine" in str(end.detail["error"])


async def test_a_site_whose_pages_a_browser_does_not_help_is_left_alone_soon(
    site: Site, service: IngestService
) -> None:
    links = "".join(f'<a href="{number}.html">{number}</a>' for number in range(8))
    site.page("/docs/", f"<main><p>Start words.</p>{links}</main>")
    for number in range(8):
        site.page(f"/docs/{number}.html", f'<div id=root></div><script src="/{number}.js"></script>')
        site.page(f"/{number}.js", "1", "text/javascript")
    end = await _crawled(service, site.url("/docs/"))
    assert (end.tally.pages_stored, end.tally.pages_failed) == (1, 8)
    assert sum(path.endswith(".js") for path in site.hits) <= 6
