"""`archon crawl | upload | search | chat` against a real server: text for people, JSON for programs, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from src.config import REPOSITORY
from tests.ingest.site import Site

from .conftest import StartServer

TEXT = "Several coroutines are run at once with asyncio.gather, which waits for all of them."


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str


Archon = Callable[..., Awaitable[Ended]]


async def run(address: str, *arguments: str, **values: str) -> Ended:
    """Run `archon …` against the server at `address`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "src.cli", *arguments),
        cwd=REPOSITORY / "python",
        env={"PATH": os.environ["PATH"], "ARCHON_SERVER_URL": address, "COLUMNS": "200"} | values,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
def command(archon: httpx.AsyncClient) -> Archon:
    """Runs a command against a server with real models."""

    async def command(*arguments: str) -> Ended:
        return await run(str(archon.base_url), *arguments)

    return command


async def test_a_crawl_is_watched_to_its_end(command: Archon, site: Site) -> None:
    site.article("/gather", "Running at once", TEXT)
    ended = await command("crawl", site.url("/gather"), "--depth", "1")
    assert (ended.code, "1 pages stored" in ended.out) == (0, True), ended


async def test_a_crawl_that_stored_nothing_fails_with_the_reason(command: Archon, site: Site) -> None:
    ended = await command("crawl", site.url("/gone"), "--depth", "1")
    assert (ended.code, "404" in ended.err, "What to do:" in ended.err) == (1, True, True), ended


async def test_files_are_stored_and_found(command: Archon, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(f"# Notes\n\n{TEXT}")
    stored = await command("upload", str(tmp_path / "notes.md"), "--tag", "python", "--json")
    found = await command("search", "run several coroutines")
    assert (stored.code, json.loads(stored.out)["status"]) == (0, "completed"), stored
    assert (found.code, "asyncio.gather" in found.out, "Notes" in found.out) == (0, True, True)


async def test_one_bad_file_does_not_stop_the_others(command: Archon, tmp_path: Path) -> None:
    (tmp_path / "bad.pdf").write_text("no PDF")
    (tmp_path / "good.txt").write_text(TEXT)
    ended = await command("upload", str(tmp_path / "bad.pdf"), str(tmp_path / "good.txt"), "--json")
    results = json.loads(ended.out)["results"]
    assert (ended.code, [result["status"] for result in results]) == (1, ["failed", "completed"])


async def test_an_answer_is_one_json_value(command: Archon) -> None:
    ended = await command("chat", "What is a coroutine?", "--max-tokens", "12", "--json")
    body = json.loads(ended.out)
    assert (ended.code, body["outcome"], bool(body["answer"])) == (0, "complete", True), ended


async def test_an_answer_streams_and_says_when_nothing_supports_it(command: Archon) -> None:
    ended = await command("chat", "What is a coroutine?", "--max-tokens", "12")
    assert (ended.code, "supports this answer" in ended.out) == (0, True), ended


async def test_an_empty_search_says_why(command: Archon) -> None:
    ended = await command("search", "anything")
    assert (ended.code, ended.out) == (0, "Nothing found (empty_store).\n")


async def test_a_server_that_is_away_is_a_sentence_and_a_code(unused_port: int) -> None:
    ended = await run(f"http://127.0.0.1:{unused_port}", "search", "anything")
    assert (ended.code, "archon up" in ended.err, "Traceback" in ended.err) == (3, True, False), ended


async def test_the_token_is_taken_from_the_environment(start_server: StartServer) -> None:
    address = start_server(ARCHON_BIND="0.0.0.0", ARCHON_TOKEN="a-long-random-token").replace("0.0.0.0", "127.0.0.1")
    refused = await run(address, "search", "anything", "--json")
    allowed = await run(address, "search", "anything", "--json", ARCHON_TOKEN="a-long-random-token")
    codes = [json.loads(ended.out)["detail"]["code"] for ended in (refused, allowed)]
    assert codes == ["token_required", "configuration"]
