"""XML from strangers, and Markdown made from it."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from src.errors import DocumentUnreadable

_LEAST_FENCE = 3


def parse_xml(data: bytes) -> ElementTree.Element:
    """The root of an XML text.

    Raises:
        DocumentUnreadable: it is no XML, or defines entities, which no such file needs and bombs are made of.
    """
    if b"<!ENTITY" in data:
        raise DocumentUnreadable("The file defines XML entities, which is not needed for a document and not read.")
    try:
        return ElementTree.fromstring(data)  # noqa: S314 - no entities; runs in a process with bounds
    except ElementTree.ParseError as error:
        raise DocumentUnreadable(f"The file is damaged: {error}") from error


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table, the first one as its head; empty rows are left out."""
    kept = [row for row in rows if any(cell.strip() for cell in row)]
    if not kept:
        return ""
    width = max(len(row) for row in kept)
    lines = [_row([*row, *[""] * (width - len(row))]) for row in kept]
    return "\n".join([lines[0], _row(["---"] * width), *lines[1:]])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def fenced(code: str, language: str) -> str:
    """Code as a Markdown block, unchanged: with as many marks as the code itself does not have."""
    longest = _LEAST_FENCE - 1
    run = 0
    for sign in code:
        run = run + 1 if sign == "`" else 0
        longest = max(longest, run)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{code}\n{marks}"
