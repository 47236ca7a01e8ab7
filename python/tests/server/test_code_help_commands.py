"""`archon explain` and `archon rewrite` against a real server and a model server that says what it is told."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.fakes.model_server import ModelServer, Stream

from .test_code_help_routes import CODE, NEW, git_apply, help_of, model, say
from .test_command_line import run

__all__ = ["help_of", "model"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "sum.py").write_bytes(CODE.replace("\n", "\r\n").encode())
    return tmp_path / "sum.py"


def has(file: Path, text: bytes) -> bool:
    return text in file.read_bytes()


async def test_a_rewrite_is_shown_and_written_only_when_asked(
    help_of: httpx.AsyncClient, model: ModelServer, file: Path
) -> None:
    say(model, NEW)
    arguments = (str(help_of.base_url), "rewrite", f"{file}:1-2", "mend it", "--connection", "fake")
    shown = await run(*arguments)
    assert (shown.code, "+    return a + b" in shown.out, has(file, b"a - b")) == (0, True, True)
    assert (await run(*arguments, "--apply", "--yes")).code == 0
    assert has(file, b"    return a + b\r\n\r\n")


async def test_what_is_printed_can_be_applied_by_git(
    help_of: httpx.AsyncClient, model: ModelServer, file: Path
) -> None:
    say(model, NEW)
    ended = await run(str(help_of.base_url), "rewrite", f"{file}:1-2", "mend it", "--connection", "fake", "--json")
    git_apply(file.parent, json.loads(ended.out)["diff"])
    assert has(file, b"a + b")


async def test_an_explanation_is_printed_as_it_comes(
    help_of: httpx.AsyncClient, model: ModelServer, file: Path
) -> None:
    say(model, "It subtracts.")
    ended = await run(str(help_of.base_url), "explain", f"{file}:2", "--connection", "fake")
    assert (ended.code, ended.out.strip()) == (0, "It subtracts.")


async def test_an_answer_cannot_command_the_terminal(
    help_of: httpx.AsyncClient, model: ModelServer, file: Path
) -> None:
    # A title, the clipboard, hidden words, and markup of ours.
    say(model, "\x1b]0;owned\x07\x1b]52;c;cm0=\x07 It \x9b8m[bold]adds[/bold].")
    ended = await run(str(help_of.base_url), "explain", f"{file}:2", "--connection", "fake")
    assert (ended.code, ended.out.strip()) == (0, "�]0;owned��]52;c;cm0=� It �8m[bold]adds[/bold].")


async def test_an_answer_of_a_chat_cannot_either(model: ModelServer) -> None:
    told = {"token": {"text": "\x1b]0;owned\x07It adds."}, "done": {"outcome": "complete"}}
    events = tuple(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in told.items())
    model.on("/api/chat", Stream(events))
    ended = await run(model.url, "chat", "What does it do?")
    assert (ended.code, ended.out.strip()) == (0, "�]0;owned�It adds.")


async def test_trouble_names_the_connection_that_was_asked(help_of: httpx.AsyncClient, file: Path) -> None:
    gone = {"id": "gone", "provider": "vllm", "base_url": "http://127.0.0.1:9", "model": "x"}
    assert (await help_of.post("/api/connections", json=gone)).status_code == 201
    ended = await run(str(help_of.base_url), "explain", str(file), "--connection", "gone")
    assert (ended.code, "Connection: gone\n" in ended.err) == (1, True)


async def test_a_line_that_is_not_there_is_a_sentence(help_of: httpx.AsyncClient, file: Path) -> None:
    ended = await run(str(help_of.base_url), "explain", f"{file}:99", "--connection", "fake")
    assert (ended.code, "99" in ended.err, "Traceback" in ended.err) == (1, True, False)
