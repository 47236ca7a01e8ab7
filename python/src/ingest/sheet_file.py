"""Excel workbooks to Markdown: each sheet a heading and a table."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence

import python_calamine

from src.errors import DocumentUnreadable

from .archive import Archive
from .document import clean
from .markup import table
from .sheet_cells import MAX_CELLS, moved_together, too_many_cells
from .word_file import title_of


def read_workbook(body: bytes) -> tuple[str, str]:
    """Title (may be empty) and Markdown of an .xlsx file; values as they were calculated last, dates in ISO form.

    Raises:
        DocumentUnreadable: it is no workbook, damaged, or wants a password.
        DocumentTooLarge: it has too many cells or unpacks to more than is allowed.
    """
    archive = Archive(body)
    try:
        book = python_calamine.load_workbook(io.BytesIO(moved_together(archive, body)))
        sheets = [(name, book.get_sheet_by_name(name)) for name in book.sheet_names]
        if sum(sheet.height * sheet.width for _, sheet in sheets) > MAX_CELLS:
            raise too_many_cells()
        parts = [_sheet(name, sheet.to_python()) for name, sheet in sheets]
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise DocumentUnreadable(f"The workbook is damaged: {error}") from error
    return title_of(archive), clean("\n\n".join(part for part in parts if part))


def _sheet(name: str, rows: Sequence[Sequence[object]]) -> str:
    shown = table([[_cell(value) for value in row] for row in rows])
    return f"## {' '.join(name.split())}\n\n{shown}" if shown else ""


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return "" if value is None else str(value)
