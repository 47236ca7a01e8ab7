"""What commands print: tables for people, one JSON value with --json."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from src.errors import ArchonError, JsonValue

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON value instead of text.")]
_COLOURS = {
    "ok": "green",
    "ready": "green",
    "runs": "green",
    "warming": "yellow",
    "preparing": "yellow",
    "starting": "yellow",
    "warning": "yellow",
    "off": "dim",
    "completed": "green",
    "running": "cyan",
    "queued": "yellow",
    "paused": "yellow",
    "cancelled": "dim",
}


_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")
_CONTROLS |= {ord("\n"): "\n", ord("\t"): "\t", ord("\r"): ""}


def plain(text: str) -> str:
    """`text` that a model or a page may have written, for a terminal: nothing in it is markup or a command."""
    return escape(inert(text))


def inert(text: str) -> str:
    """`text` without control characters, which could move the cursor, hide words or write the clipboard."""
    return text.translate(_CONTROLS)


def print_json(value: Mapping[str, object]) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, state_column: int) -> None:
    """A plain table; the words of `state_column` are coloured."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        colour = _COLOURS.get(row[state_column], "red")
        table.add_row(
            *(f"[{colour}]{plain(cell)}[/]" if at == state_column else plain(cell) for at, cell in enumerate(row))
        )
    Console().print(table)


def fail(error: ArchonError, *, as_json: bool) -> typer.Exit:
    """Say what went wrong and what to do; `raise` what it returns."""
    if as_json:
        detail: dict[str, JsonValue] = error.to_dict()
        print_json({"detail": detail})
    else:
        sys.stderr.write(inert(f"{error.message}\nWhat to do: {error.next_step}\n"))
    return typer.Exit(1)
