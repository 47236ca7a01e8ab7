"""The cells of a workbook, moved together where they stand far apart.

The reader makes a place for every cell between the first and the last of a sheet: one stray cell at XFD1048576, and it
wants 500 GB.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from src.errors import DocumentTooLarge

from .archive import Archive

MAX_CELLS = 1_000_000
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_TAG = re.compile(rb"<((?:\w+:)?(?:row|c))\b([^>]*)>")
_PLACE = re.compile(rb"\sr=[\"']([A-Z]{0,3})(\d{1,9})[\"']")
_COLUMN = re.compile(rb"\sr=[\"']([A-Z]{1,3})\d")
_ROW = re.compile(rb"\sr=[\"'][A-Z]{0,3}(\d{1,9})[\"']")
_LETTERS = 26


class _Cell(NamedTuple):
    """A cell that has something in it, and its tag in the text of its sheet."""

    tag: re.Match[bytes]
    row: int
    column: int


def moved_together(archive: Archive, body: bytes) -> bytes:
    """The workbook `body` with empty rows and columns left out, where a sheet spans more than `MAX_CELLS`; else itself.

    Raises:
        DocumentTooLarge: it spans so many without them too.
        DocumentUnreadable: it is damaged.
    """
    sheets = {member.name: archive.read(member.name) for member in archive.members if _SHEET.fullmatch(member.name)}
    moved = {name: close for name, xml in sheets.items() if (close := _close(xml)) is not xml}
    if not moved:
        return body
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as written:
        for member in archive.members:
            written.writestr(member.name, moved.get(member.name) or archive.read(member.name))
    return packed.getvalue()


def too_many_cells() -> DocumentTooLarge:
    """The error for a workbook over the limit."""
    return DocumentTooLarge(
        f"The workbook has more than {MAX_CELLS / 1e6:g} million cells.", next_step="Split it into parts."
    )


def _close(xml: bytes) -> bytes:
    # Of what is said, without a look at each cell: enough for nearly every workbook.
    names, numbers = set(_COLUMN.findall(xml)), set(_ROW.findall(xml))
    if max(map(_number, names), default=0) * max(map(int, numbers), default=0) <= MAX_CELLS:
        return xml
    rows = _numbered(cell.row for cell in _cells(xml))
    columns = _numbered(cell.column for cell in _cells(xml))
    if len(rows) * len(columns) > MAX_CELLS:
        raise too_many_cells()
    parts, done = [], 0
    for tag, row, column in _cells(xml):
        place = f' r="{_letters(columns[column])}{rows[row]}"'.encode()
        parts += [xml[done : tag.start()], b"<", tag[1], place, _PLACE.sub(b"", tag[2]), b">"]
        done = tag.end()
    return b"".join([*parts, xml[done:]])


def _numbered(numbers: Iterable[int]) -> dict[int, int]:
    return {number: place for place, number in enumerate(sorted(set(numbers)), start=1)}


def _cells(xml: bytes) -> Iterator[_Cell]:
    """In their order. A row or cell that does not say where it is comes after the one before it."""
    row = column = 0
    for tag in _TAG.finditer(xml):
        place = _PLACE.search(tag[2])
        if tag[1].endswith(b"row"):
            row, column = int(place[2]) if place else row + 1, 0
            continue
        row, column = (int(place[2]), _number(place[1])) if place else (row, column + 1)
        if not tag[2].endswith(b"/"):
            yield _Cell(tag, row, column)


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * _LETTERS + letter - ord("A") + 1
    return number


def _letters(number: int) -> str:
    letters = ""
    while number:
        number, letter = divmod(number - 1, _LETTERS)
        letters = chr(ord("A") + letter) + letters
    return letters
