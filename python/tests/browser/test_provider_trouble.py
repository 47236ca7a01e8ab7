"""A wrong address in a real browser: the typed error with its next step, the fix that is offered, and green again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Locator, Page, async_playwright, expect

from tests.fixtures.browser import CHROMIUM_FLAGS
from tests.server.process import open_data_dir, serving_process
from tests.server.relay import Relay

WITHIN_MS = 180_000
SERVICES = ("Chat", "Embeddings")
pytestmark = [pytest.mark.browser, pytest.mark.real_vllm, pytest.mark.timeout(600)]


@pytest.fixture
async def page(chromium: str, free_port: int) -> AsyncIterator[Page]:
    """A browser on a fresh Archon that knows no address."""
    with open_data_dir() as data_dir:
        async with serving_process(data_dir, free_port) as server, async_playwright() as playwright:
            await server.answers("/health", 200)
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_FLAGS])
            page = await browser.new_page(base_url=server.address)
            page.set_default_timeout(WITHIN_MS)
            yield page
            await browser.close()


@pytest.fixture
async def neighbours(vllm_chat_url: str, vllm_embedding_url: str) -> AsyncIterator[tuple[str, str]]:
    """Both real servers behind two ports side by side, as people start them: chat's address and embeddings'."""
    relays = Relay(vllm_chat_url), Relay(vllm_embedding_url)
    while True:
        chat = await asyncio.start_server(relays[0].carry, "127.0.0.1", 0)
        port = chat.sockets[0].getsockname()[1]
        try:
            embedding = await asyncio.start_server(relays[1].carry, "127.0.0.1", port + 1)
        except OSError:
            chat.close()
            continue
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
        chat.close()
        embedding.close()
        return


def panel(page: Page, service: str) -> Locator:
    return page.get_by_role("region", name=service, exact=True)


async def choose_both(page: Page, chat_url: str, embedding_url: str) -> None:
    """Both services on vLLM, with these addresses, not saved yet."""
    await page.goto("/settings")
    for service in SERVICES:
        await panel(page, service).get_by_role("radio", name="vLLM").check()
    await panel(page, "Chat").get_by_role("textbox", name=re.compile("^Server address")).fill(chat_url)
    address = panel(page, "Embeddings").get_by_role("textbox", name=re.compile("^Embedding server address"))
    await address.fill(embedding_url)


async def check_service(page: Page, service: str) -> None:
    await panel(page, service).get_by_role("button", name=f"Check {service.lower()}").click()


async def is_green(page: Page, service: str) -> None:
    await expect(panel(page, service).get_by_text("vLLM works.")).to_be_visible(timeout=WITHIN_MS)


async def save(page: Page) -> None:
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.get_by_text("Saved.", exact=True)).to_be_visible()


async def test_a_broken_address_is_explained_mended_with_one_click_and_green_again(
    page: Page, neighbours: tuple[str, str]
) -> None:
    chat_url, embedding_url = neighbours
    await choose_both(page, chat_url, embedding_url)
    await save(page)
    # The chat server's address where embeddings are wanted: the commonest mistake with two servers.
    embeddings = panel(page, "Embeddings")
    address = embeddings.get_by_role("textbox", name=re.compile("^Embedding server address"))
    await address.fill(chat_url)
    await check_service(page, "Embeddings")
    alert = embeddings.get_by_role("alert")
    await expect(alert).to_contain_text("generates text", timeout=WITHIN_MS)
    await expect(alert).to_contain_text("Enter the address of a server of the right kind")
    await embeddings.get_by_role("button", name=f"Use {embedding_url}").click()
    await expect(address).to_have_value(embedding_url)
    for service in SERVICES:
        await check_service(page, service)
        await is_green(page, service)


async def test_a_port_where_nobody_listens_is_explained_and_a_pasted_path_is_understood(
    page: Page, vllm_chat_url: str, vllm_embedding_url: str
) -> None:
    await choose_both(page, "http://127.0.0.1:9", vllm_embedding_url)
    await check_service(page, "Chat")
    chat = panel(page, "Chat")
    await expect(chat.get_by_role("alert")).to_contain_text("Nothing listens", timeout=WITHIN_MS)
    await expect(chat.get_by_role("alert")).to_contain_text("Next step: ")
    address = chat.get_by_role("textbox", name=re.compile("^Server address"))
    await address.fill(vllm_chat_url + "/v1/chat/completions")
    await check_service(page, "Chat")
    await is_green(page, "Chat")
    await chat.get_by_role("button", name=f"Write it as {vllm_chat_url}").click()
    await expect(address).to_have_value(vllm_chat_url)
    await save(page)
