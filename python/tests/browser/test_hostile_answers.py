"""What a model writes does nothing by itself in a real browser: no script, no image that is fetched, no hidden link."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.fakes.model_server import ModelServer, Reply, answer_of, model_row, running
from tests.fixtures.browser import CHROMIUM_FLAGS
from tests.server.process import open_data_dir, serving_process
from tests.server.rest import providers

WITHIN_MS = 60_000
HOSTILE = (
    "<script>window.acted = true</script> <img src='{beacon}/a.png' onerror='window.acted = true'>\n\n"
    "![secret]({beacon}/b.png?q=what-was-read) [**here**]({beacon}/page) [run](javascript:window.acted=true)\n\n"
    "<iframe src='{beacon}/c'></iframe> $\\href{{javascript:window.acted=true}}{{x}}$ and so it ends."
)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
async def beacon() -> AsyncIterator[ModelServer]:
    """A server that nobody is to fetch anything from."""
    async with running() as one:
        yield one


@pytest.fixture
async def page(chromium: str, free_port: int, beacon: ModelServer) -> AsyncIterator[Page]:
    """A browser on an Archon whose model answers with what would act."""
    async with running() as model:
        model.on("/v1/models", Reply(body={"object": "list", "data": [model_row("hostile", 8192)]}))
        model.on("/v1/chat/completions", answer_of(HOSTILE.format(beacon=beacon.url)))
        with open_data_dir() as data_dir:
            values = providers(model.url, model.url)
            async with serving_process(data_dir, free_port, **values) as server, async_playwright() as playwright:
                await server.answers("/health", 200)
                browser = await playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_FLAGS])
                page = await browser.new_page(base_url=server.address)
                page.set_default_timeout(WITHIN_MS)
                yield page
                await browser.close()


async def test_an_answer_does_nothing_by_itself(page: Page, beacon: ModelServer) -> None:
    await page.goto("/ask")
    await page.get_by_role("button", name="All sources").click()
    await page.get_by_label("Answer from my knowledge").click()
    await page.keyboard.press("Escape")
    await page.get_by_label("Your question").fill("What does it say?")
    await page.get_by_role("button", name="Ask", exact=True).click()
    answer = page.get_by_role("article", name="Answer to: What does it say?")
    await expect(answer.get_by_role("button", name="Ask again")).to_be_visible(timeout=WITHIN_MS)
    await expect(answer.get_by_text("and so it ends")).to_be_visible()
    await expect(answer.get_by_role("link", name="here")).to_contain_text("127.0.0.1")
    assert await answer.locator("script, img, iframe, a[href^=javascript]").count() == 0
    assert await page.evaluate("window.acted") is None
    assert beacon.requests == []
