"""The first visit in a real browser: choose vLLM, check it, save, read a site, ask, open a citation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.fixtures.browser import CHROMIUM_FLAGS
from tests.fixtures.site import Site
from tests.server.process import open_data_dir, serving_process

WITHIN_MS = 180_000
pytestmark = [pytest.mark.browser, pytest.mark.real_vllm, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Visit:
    """A browser on a fresh Archon that knows the two model servers' addresses and nothing else."""

    page: Page
    errors: list[str]


@pytest.fixture(params=["embedded", "supabase"])
def store_values(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables that name the store: none for the embedded one, else a Supabase-compatible server's."""
    if request.param == "embedded":
        return {}
    server = request.getfixturevalue("supabase")
    return {"SUPABASE_URL": server.url, "SUPABASE_SERVICE_KEY": server.key}


@pytest.fixture
async def visit(
    chromium: str, free_port: int, vllm_chat_url: str, vllm_embedding_url: str, store_values: dict[str, str]
) -> AsyncIterator[Visit]:
    values = store_values | {
        "VLLM_BASE_URL": vllm_chat_url,
        "VLLM_EMBEDDING_BASE_URL": vllm_embedding_url,
        "ARCHON_ALLOW_PRIVATE_ADDRESSES": "true",
    }
    with open_data_dir() as data_dir:
        async with serving_process(data_dir, free_port, **values) as server, async_playwright() as playwright:
            await server.answers("/health", 200)
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_FLAGS])
            page = await browser.new_page(base_url=server.address)
            page.set_default_timeout(WITHIN_MS)
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda line: errors.append(line.text) if _breaks_policy(line.text) else None)
            yield Visit(page, errors)
            await browser.close()


def _breaks_policy(text: str) -> bool:
    """Whether the browser says that the page wanted what its policy forbids; its words differ between versions."""
    return "Content Security" in text or "'script-src'" in text


async def choose_vllm(page: Page) -> None:
    """Both services on vLLM, both checks green, saved."""
    await page.goto("/settings")
    for service in ("Chat", "Embeddings"):
        panel = page.get_by_role("region", name=service)
        await panel.get_by_role("radio", name="vLLM").check()
        await panel.get_by_role("button", name=f"Check {service.lower()}").click()
        await expect(panel.get_by_text("vLLM works.")).to_be_visible(timeout=WITHIN_MS)
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.get_by_text("Saved.", exact=True)).to_be_visible()


async def read_site(page: Page, url: str) -> None:
    """The site is crawled to its end."""
    await page.goto("/knowledge")
    await page.get_by_label("Address").fill(url)
    await page.get_by_role("button", name="Read this address").click()
    await expect(page.get_by_role("link", name="See what was stored")).to_be_visible(timeout=WITHIN_MS)


async def ask(page: Page, question: str) -> None:
    """The answer is whole and has its marks."""
    await page.goto("/ask")
    await page.get_by_label("Your question").fill(question)
    await page.get_by_role("button", name="Ask", exact=True).click()
    await expect(page.get_by_role("region", name="Passages")).to_be_visible(timeout=WITHIN_MS)


async def test_a_stranger_comes_from_choosing_vllm_to_an_answer_with_citations(visit: Visit, site: Site) -> None:
    page = visit.page
    await choose_vllm(page)
    await read_site(page, site.url)
    await ask(page, "How do I run several coroutines at once and wait for all of them?")
    mark = page.get_by_role("button", name=re.compile(r"^(Cited|Similar) passage \d"))
    await mark.first.click()
    await expect(page.get_by_role("region", name="Text of the passage")).to_contain_text(re.compile(r"\w{4}"))
    await page.get_by_role("link", name="Read it on its page").click()
    await expect(page).to_have_url(re.compile(r"/pages/.+chunk="))
    assert visit.errors == []
