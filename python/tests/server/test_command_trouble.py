"""What people see at the command line when something is wrong: what happened, what to do, and a code for scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ingest.site import Site

from .conftest import StartServer
from .rest import providers
from .test_command_line import Ended, run


def said(ended: Ended) -> tuple[int, bool, bool]:
    """The code, whether a next step stands there, and whether a trace does."""
    return ended.code, "What to do:" in ended.err, "Traceback" in ended.err + ended.out


@pytest.mark.parametrize(
    "words", [("search", "anything"), ("chat", "What is a coroutine?")], ids=lambda words: words[0]
)
async def test_a_model_server_that_is_away(words: tuple[str, str], start_server: StartServer, unused_port: int) -> None:
    nobody = f"http://127.0.0.1:{unused_port}"
    ended = await run(start_server(**providers(nobody, nobody)), *words)
    assert said(ended) == (1, True, False), ended
    assert str(unused_port) in ended.err, ended


async def test_a_model_that_is_not_served(
    start_server: StartServer, vllm_chat_url: str, vllm_embedding_url: str
) -> None:
    values = providers(vllm_chat_url, vllm_embedding_url) | {"VLLM_CHAT_MODEL": "no-such-model"}
    ended = await run(start_server(**values), "chat", "What is a coroutine?")
    assert said(ended) == (1, True, False), ended
    assert "no-such-model" in ended.err, ended


async def test_no_provider_is_set_up(start_server: StartServer) -> None:
    ended = await run(start_server(**providers("", "")), "search", "anything")
    assert (said(ended), "VLLM" in ended.err) == ((1, True, False), True), ended


async def test_a_private_address_is_refused(
    start_server: StartServer, vllm_chat_url: str, vllm_embedding_url: str, site: Site
) -> None:
    values = providers(vllm_chat_url, vllm_embedding_url) | {"ARCHON_ALLOW_PRIVATE_ADDRESSES": "false"}
    ended = await run(start_server(**values), "crawl", site.url("/"))
    assert (said(ended), site.hits) == ((1, True, False), []), ended
    assert "ARCHON_ALLOW_PRIVATE_ADDRESSES" in ended.err, ended


async def test_a_file_that_is_not_what_it_says(
    start_server: StartServer, vllm_chat_url: str, vllm_embedding_url: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.pdf").write_text("no PDF")
    address = start_server(**providers(vllm_chat_url, vllm_embedding_url))
    ended = await run(address, "upload", str(tmp_path / "bad.pdf"))
    assert (said(ended), "bad.pdf" in ended.err + ended.out) == ((1, True, False), True), ended
