"""The gateway's page in a real browser, before real vLLM servers: live, and honest when the gateway is gone."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from src.cli.ports import free_port as any_free_port
from tests.fixtures.browser import CHROMIUM_FLAGS
from tests.gateway.door import Door, open_door, until
from tests.server.process import open_data_dir, serving_process

pytestmark = [pytest.mark.browser, pytest.mark.real_vllm, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Visit:
    """A browser on a server whose gateway stands before two real vLLM servers and one that is not there."""

    page: Page
    door: Door
    errors: list[str]


@pytest.fixture
async def visit(chromium: str, free_port: int, vllm_chat_url: str, vllm_embedding_url: str) -> AsyncIterator[Visit]:
    absent = f"http://127.0.0.1:{any_free_port()}"
    door = await open_door(
        [vllm_chat_url, absent, vllm_embedding_url],
        timeouts={"first_byte_s": 60.0, "between_bytes_s": 60.0, "answer_s": 60.0},
        discovery={"probe_timeout_s": 10.0, "refresh_s": 2.0},
    )
    await until(lambda: sum(one.ready for one in door.gateway.fleet.servers) == 2, 60)
    values = {
        "GATEWAY_URL": f"http://127.0.0.1:{door.port}",
        "VLLM_VIA_GATEWAY": "true",
        "LLM_PROVIDER": "vllm",
        "EMBEDDING_PROVIDER": "vllm",
    }
    with open_data_dir() as data_dir:
        async with serving_process(data_dir, free_port, **values) as server, async_playwright() as playwright:
            await server.answers("/health", 200)
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_FLAGS])
            page = await browser.new_page(base_url=server.address, viewport={"width": 1280, "height": 1400})
            page.set_default_timeout(60_000)
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            yield Visit(page, door, errors)
            await browser.close()
    await door.close()


async def picture(page: Page, name: str) -> None:
    """Kept for whoever wants to look: ARCHON_TEST_PICTURES names a folder."""
    folder = os.environ.get("ARCHON_TEST_PICTURES")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def pictures(page: Page) -> None:
    """Both themes, and a phone."""
    await picture(page, "gateway-light")
    await page.evaluate("document.documentElement.dataset.theme = 'dark'")
    await picture(page, "gateway-dark")
    await page.set_viewport_size({"width": 390, "height": 844})
    await picture(page, "gateway-phone")


async def test_a_person_sees_the_servers_what_changes_and_that_the_gateway_went(visit: Visit) -> None:
    page, door = visit.page, visit.door
    await page.goto("/gateway")
    rows = page.get_by_role("list", name="Servers of pool").get_by_role("listitem")
    await expect(rows.filter(has_text="Generates").get_by_text("Serving")).to_be_visible()
    await expect(rows.filter(has_text="Embeds").get_by_text("256 tokens")).to_be_visible()
    await expect(page.get_by_text("It is asked again").first).to_be_visible()
    await door.stream(model=None, max_tokens=2)
    await expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
    await pictures(page)
    await door.close()
    await expect(page.get_by_role("alert")).to_contain_text("none of them is answered now")
    await expect(page.get_by_text("make gateway", exact=True)).to_be_visible()
    assert visit.errors == []
