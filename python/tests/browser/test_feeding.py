"""Knowledge that outlives its browser, its server and its embedding model, in a real browser on a real server."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.async_api import Page, Playwright, async_playwright, expect

from tests.fakes.model_server import ModelServer, Reply, Request, Silence, running
from tests.fixtures.browser import CHROMIUM_FLAGS
from tests.ingest.files import pdf_with
from tests.ingest.office_files import paragraph, slides_with, word_with, workbook_with, zip_of
from tests.ingest.parts import embed_reply, embedded_texts
from tests.ingest.site import Site, running_site
from tests.ingest.test_crawl import small_site
from tests.server.process import Running, start
from tests.server.rest import ended, providers

WITHIN_MS = 60_000
PAGES, READ_BEFORE = 500, 200
STORED = "select url from archon_job_pages where state = 'stored'"
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@dataclass
class Archon:
    """A server over the test's database that can be killed and started again, and browsers on it."""

    data_dir: Path
    port: int
    values: dict[str, str]
    playwright: Playwright
    chromium: str
    server: Running

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[Page]:
        """A browser of its own, closed afterwards."""
        browser = await self.playwright.chromium.launch(executable_path=self.chromium, args=[*CHROMIUM_FLAGS])
        page = await browser.new_page(base_url=self.server.address)
        page.set_default_timeout(WITHIN_MS)
        yield page
        await browser.close()

    async def begin(self) -> None:
        self.server = await start(self.data_dir, self.port, **self.values)
        await self.server.answers("/health", 200)

    async def kill(self) -> None:
        self.server.process.kill()
        await self.server.process.wait()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running_site() as opened:
        yield opened


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    async with running() as server:
        server.on("/v1/embeddings", embed_reply())
        yield server


@pytest.fixture
async def archon(
    chromium: str, free_port: int, database_url: str, models: ModelServer, tmp_path: Path
) -> AsyncIterator[Archon]:
    values = providers(models.url, models.url) | {
        "DATABASE_URL": database_url,
        "ARCHON_ALLOW_PRIVATE_ADDRESSES": "true",
    }
    server = await start(tmp_path, free_port, **values)
    async with async_playwright() as playwright:
        opened = Archon(tmp_path, free_port, values, playwright, chromium, server)
        try:
            await server.answers("/health", 200)
            yield opened
        finally:
            await opened.kill()


def _large_site(site: Site, held: asyncio.Event) -> str:
    """A start page and 500 others, which keep their answers back from the 200th on."""
    names = tuple(f"p{number}.html" for number in range(PAGES))
    site.article("/docs/", "Start", "The first page.", names)
    for number, name in enumerate(names):
        site.article(f"/docs/{name}", f"Page {number}", f"Number {number}. Words and more words.")
        site.answers[f"/docs/{name}"][0].hold = held if number >= READ_BEFORE else None
    return site.url("/docs/")


async def _read(page: Page, address: str) -> None:
    await page.goto("/knowledge")
    await page.get_by_label("Address").fill(address)
    await page.get_by_label("At most").fill("600")
    await page.get_by_role("button", name="Read this address").click()


async def _stored(database_url: str) -> list[str]:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        return [str(url) for (url,) in await (await connection.execute(STORED)).fetchall()]


async def test_a_crawl_of_500_pages_goes_on_after_its_browser_closed_and_its_server_was_killed(
    archon: Archon, site: Site, database_url: str
) -> None:
    held = asyncio.Event()
    async with archon.visit() as page:
        await _read(page, _large_site(site, held))
        await expect(page.get_by_text(f"{READ_BEFORE + 1} of {PAGES + 1} pages")).to_be_visible(timeout=WITHIN_MS)
    await archon.kill()
    stored, fetched = await _stored(database_url), len(site.hits)
    await archon.begin()
    async with archon.visit() as page:
        await page.goto("/knowledge")
        await expect(page.get_by_text(re.compile(rf"\d+ of {PAGES + 1} pages"))).to_be_visible(timeout=WITHIN_MS)
        held.set()
        await expect(page.get_by_text(f"{PAGES + 1} pages stored")).to_be_visible(timeout=WITHIN_MS)
    assert len(stored) > READ_BEFORE
    assert not {site.url(path) for path in site.hits[fetched:]} & set(stored)


async def _crawled(rest: httpx.AsyncClient, address: str) -> None:
    begun = (await rest.post("/api/knowledge-items/crawl", json={"url": address, "max_depth": 3})).json()
    assert (await ended(rest, begun["progressId"]))["status"] == "completed"


async def _found(page: Page, words: str) -> None:
    """A search has the passage."""
    await page.goto("/search")
    await page.get_by_role("searchbox", name="Search your knowledge").fill(words)
    await page.keyboard.press("Enter")
    results = page.get_by_role("list", name="Results").get_by_role("listitem")
    await expect(results.filter(has_text=words)).to_be_visible(timeout=WITHIN_MS)


async def _choose(page: Page, address: str) -> None:
    """The embedding server at another address, saved."""
    await page.goto("/settings")
    await page.get_by_role("region", name="Embeddings").get_by_label("Embedding server address").fill(address)
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.get_by_text("Saved.", exact=True)).to_be_visible(timeout=WITHIN_MS)


async def test_searches_are_answered_before_while_and_after_another_model_embeds_everything(
    archon: Archon, site: Site, models: ModelServer
) -> None:
    gate, words = asyncio.Event(), "Words of page a."

    def answer(request: Request) -> Reply | Silence:
        waits = not gate.is_set() and any("Words of" in text for text in request.json()["input"])
        return Silence() if waits else embed_reply("newer", 6)(request)

    async with running() as newer, archon.visit() as page, httpx.AsyncClient(base_url=archon.server.address) as rest:
        newer.on("/v1/embeddings", answer)
        await _crawled(rest, small_site(site))
        await _found(page, words)
        await _choose(page, newer.url)
        await page.goto("/knowledge")
        change = page.get_by_role("region", name=re.compile("Embedding everything with"))
        await expect(change).to_be_visible(timeout=WITHIN_MS)
        await newer.busy.wait()
        await _found(page, words)
        assert words in embedded_texts(models)[-1]
        gate.set()
        await newer.close()
        await page.goto("/knowledge")
        await expect(page.get_by_role("heading", name="Sources")).to_be_visible(timeout=WITHIN_MS)
        await expect(change).to_be_hidden(timeout=WITHIN_MS)
        await _found(page, words)
        assert words in embedded_texts(newer)[-1]


async def test_a_refresh_embeds_only_what_changed(archon: Archon, site: Site, models: ModelServer) -> None:
    async with archon.visit() as page:
        await _read(page, small_site(site))
        await page.get_by_role("link", name="See what was stored").click()
        site.article("/docs/a.html", "Page A", "Changed words of page a.", ("/docs/", "c.html"))
        models.requests.clear()
        await page.get_by_role("button", name="Refresh").click()
        await expect(page.get_by_text(re.compile("^1 page stored .*, 3 unchanged"))).to_be_visible(timeout=WITHIN_MS)
    [embedded] = [text for text in embedded_texts(models) if " of page " in text]
    assert "Changed words of page a." in embedded


DROP = """(place, files) => {
    const carried = new DataTransfer();
    for (const [name, content] of files) {
        const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
        carried.items.add(new File([bytes], name));
    }
    for (const type of ["dragenter", "dragover", "drop"])
        place.dispatchEvent(new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""


async def _drop(page: Page, files: dict[str, bytes]) -> None:
    """Let go of files above the place for them."""
    packed = [[name, base64.b64encode(content).decode()] for name, content in files.items()]
    await page.get_by_text("Drop files here").evaluate(DROP, packed)


async def test_files_of_several_kinds_are_dropped_at_once_and_bad_ones_are_named(archon: Archon) -> None:
    good = {
        "notes.md": b"# Notes\n\nWords of the notes.",
        "plain.txt": b"Words of the plain text.",
        "site.html": b"<html><title>S</title><main><h1>Site</h1><p>Words of the site.</p></main></html>",
        "tool.py": b"def words_of_the_tool() -> str:\n    return 'tool'\n",
        "paper.pdf": pdf_with("Words of the paper."),
        "report.docx": word_with(paragraph("Words of the report.")),
        "talk.pptx": slides_with(("Talk", ("Words of the talk.",))),
        "table.xlsx": workbook_with("Ports", (("Harbour", "Ships"), ("Kiel", "4"))),
        "all.zip": zip_of({"inside.md": "# Inside\n\nWords of what is inside."}),
    }
    async with archon.visit() as page:
        await page.goto("/knowledge")
        await page.get_by_role("tab", name="Files").click()
        await _drop(page, {**good, "broken.pdf": b"no PDF at all", "film.mp4": b"\0\0"})
        await page.get_by_role("button", name=f"Upload {len(good) + 2} files").click()
        waiting = page.get_by_role("list", name="Files to send").get_by_role("listitem")
        await expect(waiting).to_have_count(1)
        await expect(waiting).to_contain_text("film.mp4 was not taken.")
        cards = page.get_by_role("region", name="Work").get_by_role("listitem")
        for name in good:
            card = cards.filter(has=page.get_by_role("heading", name=name))
            await expect(card).to_contain_text(re.compile("[1-9] pages? stored as"), timeout=WITHIN_MS)
        broken = cards.filter(has=page.get_by_role("heading", name="broken.pdf"))
        await expect(broken.get_by_role("alert")).to_contain_text("Next step", timeout=WITHIN_MS)
        await expect(waiting).to_contain_text("film.mp4 was not taken.")
        await _found(page, "Words of what is inside.")


async def test_work_just_begun_stands_in_sight_with_the_focus(archon: Archon, site: Site) -> None:
    async with archon.visit() as page:
        await page.set_viewport_size({"width": 390, "height": 500})
        await _read(page, small_site(site))
        card = page.get_by_role("heading", name=re.compile("docs"))
        await expect(card).to_be_focused(timeout=WITHIN_MS)
        await expect(card).to_be_in_viewport()
