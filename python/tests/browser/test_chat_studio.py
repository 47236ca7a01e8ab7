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
from tests.server.process import open_data_dir, serving_process
from tests.server.rest import providers, uploaded

WITHIN_MS = 180_000
QUESTION = "How do I run several coroutines at once and wait for all of them?"
LONG = "Count from one to ten thousand in words, one number a line."
TASKS = b"# Running tasks\n\nasyncio.gather runs several coroutines at once and waits for all of them.\n"
BREAD = b"# Bread\n\nFeed the starter in the evening, then bake the loaf with steam.\n"
pytestmark = [pytest.mark.browser, pytest.mark.real_vllm, pytest.mark.timeout(900)]


@pytest.fixture
async def page(chromium: str, free_port: int, vllm_embedding_url: str) -> AsyncIterator[Page]:
    """A browser on an Archon that embeds, knows two documents, and has no chat server but one that is gone."""
    values = providers("http://127.0.0.1:9", vllm_embedding_url)
    with open_data_dir() as data_dir:
        async with serving_process(data_dir, free_port, **values) as server, async_playwright() as playwright:
            await server.answers("/health", 200)
            async with httpx.AsyncClient(base_url=server.address, timeout=WITHIN_MS / 1000) as archon:
                await uploaded(archon, "tasks.md", TASKS, "text/markdown")
                await uploaded(archon, "bread.md", BREAD, "text/markdown")
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
    """The imported connection and one of the models that it offers at this moment; short answers, one passage."""
    await page.goto("/ask")
    await page.get_by_role("button", name=re.compile("^Settings of this conversation")).click()
    await page.get_by_label("Connection").select_option(label="Here")
    await page.get_by_role("combobox", name=re.compile("^Model")).click()
    await page.get_by_role("listbox", name="Models").get_by_role("option").first.click()
    await page.get_by_label("Longest answer").fill("16")
    await page.get_by_label("Passages").fill("1")
    await page.get_by_role("button", name="Use these").click()


async def attach(page: Page, title: str) -> None:
    """A page of the knowledge base goes into the context of every question."""
    await page.get_by_role("button", name="Attach", exact=True).click()
    await page.get_by_label("Find a page or a source").fill(title)
    await page.get_by_role("button", name=f"Attach {title}").last.click()
    await expect(page.get_by_role("button", name=f"Detach {title}")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="1 attachment")).to_be_visible()


async def ask(page: Page, question: str) -> Locator:
    await page.get_by_label("Your question").fill(question)
    await page.get_by_role("button", name="Ask", exact=True).click()
    return page.get_by_role("article", name=f"Answer to: {question}")


async def ended(article: Locator) -> None:
    await expect(article.get_by_role("button", name="Ask again")).to_be_visible()


async def shown_passages(article: Locator, *titles: str) -> None:
    """All that the model was given stands under its answer, also what no sentence rests on."""
    passages = article.get_by_role("region", name="Passages")
    await expect(passages).to_be_visible()
    rest = passages.get_by_role("button", name=re.compile("^Show"))
    if await rest.count():
        await rest.click()
    await expect(passages.get_by_role("listitem")).to_contain_text(titles)


async def without_end(page: Page) -> None:
    """Answers that go on until they are stopped: at this temperature a small model comes to no end."""
    await page.get_by_role("button", name=re.compile("^Settings of this conversation")).click()
    for label, value in (("Longest answer", "1500"), ("Temperature", "2"), ("Seed", "1")):
        await page.get_by_label(label).fill(value)
    await page.get_by_role("button", name="Use these").click()


async def test_a_conversation_from_an_imported_connection_to_its_export(
    page: Page, tmp_path: Path, vllm_chat_url: str
) -> None:
    await import_connections(page, tmp_path, vllm_chat_url)
    await choose_model(page)
    await attach(page, "Bread")
    first = await ask(page, QUESTION)
    await ended(first)
    await shown_passages(first, "Bread", "Running tasks")

    await first.get_by_role("button", name="Ask again").click()
    await expect(first.get_by_role("group", name="Versions of the answer")).to_contain_text("2 of 2")
    await first.get_by_role("button", name="Earlier version of the answer").click()
    await expect(first.get_by_role("group", name="Versions of the answer")).to_contain_text("1 of 2")
    # The other answer was still being written, and is let come to its end.
    await ended(first)

    await without_end(page)
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
    await expect(third.locator(".prose")).to_contain_text(re.compile(r"\w{3}"))
    await page.keyboard.press("Escape")
    await ended(third)
    await expect(third.get_by_role("group", name="Versions of the question")).to_contain_text("2 of 2")

    await page.get_by_role("button", name="Export").click()
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="JSON, with all versions").click()
    await (await saved.value).save_as(tmp_path / "saved.json")
    written = json.loads((tmp_path / "saved.json").read_text())
    said = [message["content"] for message in written["messages"] if message["role"] == "user"]
    assert said == [QUESTION, LONG, "Count to three."]
    assert [message["role"] for message in written["messages"]].count("assistant") == 4
