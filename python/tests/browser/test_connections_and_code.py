"""In a real browser on a real vLLM: a connections file, a connection and its model, code explained and rewritten."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from src.config import REPOSITORY
from tests.fakes.model_server import ModelServer, Reply, answer_of, model_row, running
from tests.fixtures.browser import CHROMIUM_FLAGS
from tests.server.process import open_data_dir, serving_process

WITHIN_MS = 180_000
REAL = "python/src/search/pages.py"
pytestmark = [pytest.mark.browser, pytest.mark.real_vllm, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def real_file() -> str:
    """The text of a file of this repository."""
    return (REPOSITORY / REAL).read_text()


@pytest.fixture
async def page(chromium: str, free_port: int) -> AsyncIterator[Page]:
    """A browser on a fresh Archon."""
    with open_data_dir() as data_dir:
        async with serving_process(data_dir, free_port) as server, async_playwright() as playwright:
            await server.answers("/health", 200)
            browser = await playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_FLAGS])
            page = await browser.new_page(base_url=server.address)
            page.set_default_timeout(WITHIN_MS)
            yield page
            await browser.close()


@pytest.fixture
async def writer(real_file: str) -> AsyncIterator[ModelServer]:
    """A model server that answers a rewrite with the first three lines in capitals: small models write no code."""
    new = "\n".join(real_file.split("\n")[:3]).upper()
    async with running() as one:
        one.on("/v1/models", Reply(body={"object": "list", "data": [model_row("writer", 8192)]}))
        one.on("/v1/chat/completions", answer_of(f"```python\n{new}\n```"))
        yield one


async def bring_in(page: Page, **addresses: str) -> None:
    """Import a connections file with these names and addresses."""
    entries = [
        {"id": name, "name": name.title(), "provider": "vllm", "base_url": url, "api_key": None, "max_tokens": 12}
        for name, url in addresses.items()
    ]
    content = json.dumps({"connections": entries}).encode()
    await page.goto("/connections")
    await page.get_by_role("button", name="Import").click()
    file = {"name": "llm_connections.json", "mimeType": "application/json", "buffer": content}
    await page.get_by_label("Choose a connections file").set_input_files([file])  # type: ignore[list-item]
    await expect(page.get_by_text("Imported.")).to_be_visible()
    await page.get_by_role("button", name="Done").click()


async def open_file(page: Page, connection: str, text: str) -> None:
    """A real file on the page for code, its first three lines chosen."""
    await page.goto("/code")
    file = {"name": "pages.py", "mimeType": "text/x-python", "buffer": text.encode()}
    await page.get_by_label("Open a file").set_input_files([file])  # type: ignore[list-item]
    await page.get_by_role("textbox", name="Path").fill(REAL)
    await page.get_by_role("textbox", name="To line").fill("3")
    await page.get_by_role("combobox", name="Connection").select_option(connection)


async def test_a_file_is_imported_and_a_connection_checked_and_picked(page: Page, vllm_chat_url: str) -> None:
    await bring_in(page, lab=vllm_chat_url, gone="http://127.0.0.1:9")
    lab = page.get_by_role("listitem", name="Lab")
    await expect(lab.get_by_text("Answers, with 1 model")).to_be_visible()
    await expect(page.get_by_role("listitem", name="Gone").get_by_text("Nothing listens")).to_be_visible()
    await lab.get_by_role("button", name="Check").click()
    await expect(lab.get_by_text("Lab works.")).to_be_visible(timeout=WITHIN_MS)
    await lab.get_by_role("button", name="Make Lab the default").click()
    await expect(lab.get_by_text("Default", exact=True)).to_be_visible()


async def test_lines_of_a_real_file_are_explained_by_a_real_model(
    page: Page, vllm_chat_url: str, real_file: str
) -> None:
    await bring_in(page, lab=vllm_chat_url)
    await open_file(page, "lab", real_file)
    await page.get_by_role("button", name="Explain").click()
    explanation = page.get_by_role("region", name="Explanation")
    await expect(explanation.get_by_text("Explained by")).to_be_visible(timeout=WITHIN_MS)
    await expect(explanation.get_by_text("What the model saw")).to_be_visible()


async def test_a_rewrite_is_downloaded_as_a_patch_that_git_applies(
    page: Page, writer: ModelServer, real_file: str, tmp_path: Path
) -> None:
    await bring_in(page, writer=writer.url)
    await open_file(page, "writer", real_file)
    await page.get_by_role("textbox", name="Question or instruction").fill("Write it in capitals.")
    await page.get_by_role("button", name="Rewrite").click()
    await expect(page.get_by_role("region", name="Diff")).to_be_visible(timeout=WITHIN_MS)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download the patch").click()
    patch = await (await download.value).path()
    assert patched(tmp_path, real_file, patch).startswith(real_file.split("\n")[0].upper())


def patched(folder: Path, text: str, patch: Path) -> str:
    """The real file after `git apply`."""
    file = folder / REAL
    file.parent.mkdir(parents=True)
    file.write_text(text)
    subprocess.run(["git", "apply", str(patch)], cwd=folder, check=True)
    return file.read_text()
