"""`archon explain FILE:10-40` and `archon rewrite FILE:10-40 "instruction"`: code help from the command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from src.errors import ErrorContext, InvalidInput

from .calling import calling, err, out
from .output import JsonOption, plain, print_json
from .server_client import CallFailed, JsonObject, ServerClient

app = typer.Typer()
_PLACE = re.compile(r"(?P<path>.+?)(?::(?P<start>\d{1,7})(?:-(?P<end>\d{1,7}))?)?")

Place = Annotated[
    str, typer.Argument(help="A file, or lines of it: FILE, FILE:10 or FILE:10-40.", metavar="FILE[:LINES]")
]
With = Annotated[list[Path] | None, typer.Option("--with", help="Another file that helps; may be given several times.")]
Connection = Annotated[str | None, typer.Option(help="Id of a connection; left out: the default one.")]
Model = Annotated[str | None, typer.Option(help="Another model of its server.")]
Passages = Annotated[int, typer.Option(help="How many passages of the knowledge base to look for.", min=0, max=10)]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of a file on this machine. `path` is how it is named to the model and in a diff."""

    file: Path
    path: str
    text: str
    start: int | None
    end: int | None

    def asked(self) -> JsonObject:
        """As REST takes it."""
        selection: JsonObject = {"start": self.start or 1, "end": self.end or (self.start if self.start else None)}
        return {"path": self.path, "text": self.text, "selection": selection}


@app.command()
def explain(
    place: Place,
    question: Annotated[str, typer.Argument(help="What you want to know; left out: what the lines do.")] = "",
    others: With = None,
    connection: Connection = None,
    model: Model = None,
    passages: Passages = 0,
    as_json: JsonOption = False,
) -> None:
    """Explain lines of a file."""
    asked = _asked(_read(place), others, connection, model, passages) | {"question": question}
    with calling(as_json) as server:
        told = _told(server, "/api/ai/explain/stream", asked, shows_words=not as_json)
    if as_json:
        print_json(told)
        return
    out.print()
    _left_out(told)
    if told.get("cut"):
        err.print("[yellow]The explanation was cut at the longest answer.[/yellow]")


@app.command()
def rewrite(
    place: Place,
    instruction: Annotated[str, typer.Argument(help="What is to be changed.")],
    apply: Annotated[bool, typer.Option("--apply", help="Write the change to the file after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --apply: do not ask.")] = False,
    others: With = None,
    connection: Connection = None,
    model: Model = None,
    passages: Passages = 0,
    as_json: JsonOption = False,
) -> None:
    """Rewrite lines of a file: shows the diff, and writes it only with --apply."""
    lines = _read(place)
    asked = _asked(lines, others, connection, model, passages) | {"instruction": instruction}
    with calling(as_json) as server:
        told = _told(server, "/api/ai/rewrite/stream", asked, shows_words=False)
    if as_json:
        print_json(told)
    else:
        _show_diff(str(told["diff"]))
        _left_out(told)
    if apply and (yes or (not as_json and typer.confirm(f"Change {lines.file}?", err=True))):
        _write(lines, str(told["file"]))
        err.print(f"Changed {plain(str(lines.file))}.")


def _read(place: str) -> Lines:
    """The file that `place` names. Raises InvalidInput."""
    match = _PLACE.fullmatch(place)
    plain = Path(place)
    if match is None or (match["start"] and plain.is_file()):
        return Lines(plain, _named(plain), _text(plain), None, None)
    file = Path(match["path"])
    start = int(match["start"]) if match["start"] else None
    return Lines(file, _named(file), _text(file), start, int(match["end"]) if match["end"] else None)


def _text(file: Path) -> str:
    try:
        # Bytes, so that line ends stay as they are.
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise _refused(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise _refused(f"{file} is not UTF-8 text.") from error


def _named(file: Path) -> str:
    """Its path below the repository that it is in, where there is one: what `git apply` wants; else its name."""
    whole = file.resolve()
    command = ["git", "-C", str(whole.parent), "rev-parse", "--show-toplevel"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603 - no shell
    except (OSError, subprocess.TimeoutExpired):
        return whole.name
    root = Path(found.stdout.strip() or whole.parent)
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.name


def _asked(
    lines: Lines, others: list[Path] | None, connection: str | None, model: str | None, passages: int
) -> JsonObject:
    files: list[JsonObject] = [{"path": _named(one), "text": _text(one)} for one in others or []]
    more: JsonObject = {"files": [*files], "connection_id": connection, "model": model, "passages": passages}
    return lines.asked() | more


def _told(server: ServerClient, path: str, asked: JsonObject, *, shows_words: bool) -> JsonObject:
    """What the stream told at its end. Raises CallFailed where it has no result."""
    told: JsonObject = {}
    error: JsonObject | None = None
    for event in server.events(path, asked):
        if event.name == "token" and shows_words:
            out.print(plain(str(event.data.get("text", ""))), end="")
        elif event.name == "retry":
            err.print(f"[dim]Asked again: {plain(str(event.data.get('reason')))}[/dim]")
        elif event.name == "usage":
            told["usage"] = event.data
        elif event.name == "error":
            error = event.data
        elif event.name in ("start", "result", "done"):
            told |= event.data
    if error is not None or told.get("outcome") != "complete":
        raise CallFailed(error or {"error": "The answer is not whole.", "next_step": "Ask again."})
    return told


def _show_diff(diff: str) -> None:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    if not out.is_terminal:
        sys.stdout.write(diff)  # as it stands, for `git apply`
        return
    for line in diff.split("\n"):
        colour = colours.get(line[:1])
        out.print(f"[{colour}]{plain(line)}[/]" if colour else plain(line))


def _left_out(told: JsonObject) -> None:
    """Say what the model was not shown."""
    context = told.get("context")
    left = context.get("left_out") if isinstance(context, dict) else None
    if not isinstance(left, dict):
        return
    files = left.get("files")
    parts = [
        f"{left.get('lines_before', 0)} lines before and {left.get('lines_after', 0)} after",
        f"{len(files) if isinstance(files, list) else 0} files and {left.get('file_lines', 0)} lines of others",
        f"{left.get('passages', 0)} passages",
    ]
    if any(value for value in left.values()):
        err.print(f"[dim]Not shown to the model for want of room: {'; '.join(parts)}.[/dim]")


def _write(lines: Lines, text: str) -> None:
    """Replace the file in one step, unless it changed meanwhile. Raises InvalidInput."""
    if _text(lines.file) != lines.text:
        raise _refused(f"{lines.file} was changed meanwhile; nothing was written.")
    target = lines.file.resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as fresh:
            fresh.write(text.encode())
        os.chmod(fresh.name, target.stat().st_mode & 0o7777)
        os.replace(fresh.name, target)
    except OSError as error:
        raise _refused(f"{lines.file} cannot be written: {error.strerror}.") from error


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, next_step="Name a text file that you may use.", context=ErrorContext(field="file"))
