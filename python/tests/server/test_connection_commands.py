"""`archon connections …` against a real server and a real vLLM."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from .test_command_line import run

KEY = "key-of-the-lab-123"


async def test_a_connection_is_added_checked_and_made_the_default(api: httpx.AsyncClient, vllm_chat_url: str) -> None:
    server = str(api.base_url)
    added = await run(server, "connections", "add", "--url", vllm_chat_url, "--name", "Lab", "--json")
    assert (added.code, json.loads(added.out)["provider"]) == (0, "vllm")
    checked = await run(server, "connections", "check", "lab")
    assert (checked.code, "ok chat" in checked.out) == (0, True)
    offered = await run(server, "connections", "models", "lab")
    assert (offered.code, len(offered.out.splitlines()), offered.out.endswith(" tokens)\n")) == (0, 1, True)
    assert (await run(server, "connections", "default", "lab")).code == 0
    listed = await run(server, "connections", "list")
    assert "Lab (default)" in listed.out
    assert (await run(server, "connections", "remove", "lab")).code == 0


async def test_a_server_is_asked_what_it_is_and_nothing_is_stored(
    api: httpx.AsyncClient, vllm_chat_url: str, vllm_embedding_url: str, unused_port: int
) -> None:
    server = str(api.base_url)
    found = await run(server, "connections", "detect", vllm_chat_url)
    assert (found.code, found.out.startswith("vLLM 0."), " tokens)" in found.out) == (0, True, True)
    embeds = await run(server, "connections", "detect", vllm_embedding_url)
    assert (embeds.code, "What to do" in embeds.err) == (1, True)
    nobody = await run(server, "connections", "detect", f"http://127.0.0.1:{unused_port}", "--json")
    assert (nobody.code, json.loads(nobody.out)["detail"]["code"]) == (1, "connection_refused")
    assert len((await api.get("/api/connections")).json()["connections"]) == 1


async def test_a_file_of_10_mb_is_refused_in_a_sentence(api: httpx.AsyncClient, tmp_path: Path) -> None:
    file = tmp_path / "llm_connections.json"
    file.write_bytes(b" " * 10_000_000)
    ended = await run(str(api.base_url), "connections", "import", str(file))
    assert (ended.code, "larger than 2 MB" in ended.err and "Send less" in ended.err) == (1, True)


async def test_a_file_comes_in_is_changed_and_goes_out(api: httpx.AsyncClient, tmp_path: Path) -> None:
    server, file = str(api.base_url), tmp_path / "llm_connections.json"
    entry = {"id": "lab", "provider": "vllm", "base_url": "http://gpu:8000", "api_key": KEY}
    file.write_text(json.dumps({"connections": [entry]}))
    assert "Created: lab" in (await run(server, "connections", "import", str(file))).out
    assert (await run(server, "connections", "edit", "lab", "--timeout", "7")).code == 0
    plain = await run(server, "connections", "export")
    assert (json.loads(plain.out)["connections"][0]["timeout"], KEY in plain.out) == (7.0, False)
    assert (await run(server, "connections", "export", str(file), "--secrets")).code == 0
    assert (KEY in file.read_text(), file.stat().st_mode & 0o777) == (True, 0o600)


async def test_what_is_wrong_with_a_file_is_said_with_its_place(api: httpx.AsyncClient, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text('{"connections": [{"base_url": "file:///x"}]}')
    ended = await run(str(api.base_url), "connections", "import", str(file))
    assert (ended.code, "connections[0].base_url" in ended.err, ended.out) == (1, True, "")
