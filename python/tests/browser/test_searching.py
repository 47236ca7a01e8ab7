"""Searching in a real browser: a word, a filter, a passage opened on its page, all with the keys."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.fixtures.browser import CHROMIUM_FLAGS
from tests.server.process import open_data_dir, serving_process
from tests.server.rest import uploaded

WITHIN_MS = 60_000
pytestmark = [pytest.mark.browser, pytest.mark.real_vllm, pytest.mark.timeout(300)]

TASKS = b"# Running tasks\n\nasyncio.gather runs awaitables concurrently and waits for all of them.\n\n" * 3
BREAD = b"# Bread\n\nFeed the starter in the evening. <script>alert(1)</script> Bake the loaf with steam.\n"


@pytest.fixture
async def page(chromium: str, free_port: int, vllm_chat_url: str, vllm_embedding_url: str) -> AsyncIterator[Page]:
    values = {
        "LLM_PROVIDER": "vllm",
        "EMBEDDING_PROVIDER": "vllm",
        "VLLM_BASE_URL": vllm_chat_url,
        "VLLM_EMBEDDING_BASE_URL": vllm_embedding_url,
    }
    with open_data_dir() as data_dir:
        async with serving_process(data_dir, free_port, **values) as server, async_playwright() as playwright:
            await server.answers("/health", 200)
            async with httpx.AsyncClient(base_url=server.address, timeout=60) as archon:
                for name, content in (("python", TASKS), ("kitchen", BREAD)):
                    state = await uploaded(archon, f"{name}.md", content, "text/markdown")
                    await archon.put(f"/api/knowledge-items/{state['sourceId']}", json={"tags": [name]})
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_FLAGS])
            page = await browser.new_page(base_url=server.address)
            page.set_default_timeout(WITHIN_MS)
            yield page
            await browser.close()


async def test_a_passage_is_found_filtered_and_opened_with_the_keys(page: Page) -> None:
    await page.goto("/search")
    await expect(page.get_by_role("searchbox", name="Search your knowledge")).to_be_focused()
    await page.keyboard.type("gather the loaf")
    await page.keyboard.press("Enter")
    results = page.get_by_role("list", name="Results").get_by_role("listitem")
    await expect(results.filter(has_text="asyncio.gather").locator("mark").first).to_be_visible()
    await page.get_by_role("button", name="Tags").click()
    await page.get_by_role("checkbox", name="kitchen").check()
    await expect(results).to_have_count(1)
    await expect(results).to_contain_text("<script>alert(1)</script>")
    await expect(page).to_have_url(re.compile(r"q=gather\+the\+loaf&tag=kitchen$"))
    await page.keyboard.press("Escape")
    await page.get_by_role("searchbox", name="Search your knowledge").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Passage")).to_contain_text("Feed the starter")
