"""The chat studio in a real browser on a real vLLM: import, pick, converse, stop, retry, reload, branch, export."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Locator, Page, async_playwright, expect

from tests.fixtures.browser import CHROMIUM_FLAGS
from tests.fixtures.site import Site
from tests.server.process import open_data_dir, serving_process
from tests.server.rest import crawled, providers

WITHIN_MS = 180_000
QUESTION = "How do I run several coroutines at once and wait for all of them?"
LONG = "Count from one to ten thousand in words, one number a line."
pytestmark = [pytest.mark.browser, pytest.mark.real_vllm, pytest.mark.timeout(900)]


@pytest.fixture
async def page(
    chromium: str, free_port: int, vllm_chat_url: str, vllm_embedding_url: str, site: Site
) -> AsyncIterator[Page]:
    """A browser on an Archon that embeds, has read a site, and has no chat server but one that is gone."""
    values = providers("http://127.0.0.1:9", vllm_embedding_url) | {"ARCHON_ALLOW_PRIVATE_ADDRESSES": "true"}
    with open_data_dir() as data_dir:
        async with serving_process(data_dir, free_port, **values) as server, async_playwright() as playwright:
            await server.answers("/health", 200)
            async with httpx.AsyncClient(base_url=server.address, timeout=WITHIN_MS / 1000) as archon:
                await crawled(archon, site.url)
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_FLAGS])
            page = await browser.new_page(base_url=server.address)
            page.set_default_timeout(WITHIN_MS)
            expect.set_options(timeout=WITHIN_MS)
            yield page
            await browser.close()


async def import_connections(page: Page, folder: Path, chat_url: str) -> None:
    """A file of one connection is taken over."""
    file = folder / "llm_connections.json"
    entry = {"id": "here", "name": "Here", "provider": "vllm", "base_url": chat_url, "model": None, "api_key": None}
    file.write_text(json.dumps({"connections": [entry]}))
    await page.goto("/connections")
    await page.get_by_role("button", name="Import").click()
    await page.get_by_label("Choose a connections file").set_input_files(file)
    await expect(page.get_by_role("dialog").get_by_text("Here")).to_be_visible()


async def choose_model(page: Page) -> None:
    """The imported connection and one of the models that it offers at this moment, with short answers."""
    await page.goto("/ask")
    await page.get_by_role("button", name=re.compile("^Settings of this conversation")).click()
    await page.get_by_label("Connection").select_option(label="Here")
    await page.get_by_role("combobox", name=re.compile("^Model")).click()
    await page.get_by_role("listbox", name="Models").get_by_role("option").first.click()
    await page.get_by_label("Longest answer").fill("24")
    await page.get_by_role("button", name="Use these").click()


async def ask(page: Page, question: str) -> Locator:
    await page.get_by_label("Your question").fill(question)
    await page.get_by_role("button", name="Ask", exact=True).click()
    return page.get_by_role("article", name=f"Answer to: {question}")


async def ended(article: Locator) -> None:
    await expect(article.get_by_role("button", name="Ask again")).to_be_visible()


async def no_limit_of_length(page: Page) -> None:
    await page.get_by_role("button", name=re.compile("^Settings of this conversation")).click()
    await page.get_by_label("Longest answer").fill("1500")
    await page.get_by_role("button", name="Use these").click()


async def test_a_conversation_from_an_imported_connection_to_its_export(
    page: Page, tmp_path: Path, vllm_chat_url: str
) -> None:
    await import_connections(page, tmp_path, vllm_chat_url)
    await choose_model(page)
    first = await ask(page, QUESTION)
    await ended(first)
    await expect(first.get_by_role("region", name="Passages")).to_be_visible()
    await first.get_by_role("button", name=re.compile("^(Show the|Cited|Similar)")).first.click()

    await first.get_by_role("button", name="Ask again").click()
    await expect(first.get_by_role("group", name="Versions of the answer")).to_contain_text("2 of 2")
    await first.get_by_role("button", name="Earlier version of the answer").click()
    await expect(first.get_by_role("group", name="Versions of the answer")).to_contain_text("1 of 2")

    await no_limit_of_length(page)
    second = await ask(page, LONG)
    await expect(second.locator(".prose")).to_contain_text(re.compile(r"\w{3}"))
    await page.reload()
    before = len(await second.locator(".prose").inner_text())
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    await expect(second.locator(".prose")).to_contain_text(re.compile(rf"[\s\S]{{{before + 1},}}"))
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(second.get_by_text("Stopped here, before the answer was whole.")).to_be_visible()
    await expect(second.get_by_role("button", name="Continue")).to_be_visible()

    await second.get_by_role("button", name="Edit the question").click()
    await page.get_by_label("The question in other words").fill("Count to three.")
    await page.get_by_role("button", name="Ask this instead").click()
    third = page.get_by_role("article", name="Answer to: Count to three.")
    await expect(third.get_by_role("group", name="Versions of the question")).to_contain_text("2 of 2")
    await page.keyboard.press("Escape")
    await ended(third)

    await page.get_by_role("button", name="Export").click()
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="JSON, with all versions").click()
    await (await saved.value).save_as(tmp_path / "saved.json")
    written = json.loads((tmp_path / "saved.json").read_text())
    said = [message["content"] for message in written["messages"] if message["role"] == "user"]
    assert said == [QUESTION, LONG, "Count to three."]
    assert [message["role"] for message in written["messages"]].count("assistant") == 4
