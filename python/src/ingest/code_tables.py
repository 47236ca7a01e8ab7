"""Tables with code of several lines in them: a row of Markdown has one line, so their cells become blocks."""

from __future__ import annotations

from selectolax.lexbor import LexborHTMLParser, LexborNode

_FRAMES = "tr,tbody,thead,tfoot,colgroup"


def open_code_tables(main: LexborNode) -> None:
    """Change `main` so that code in tables keeps its lines: such a table's cells stand one below the other."""
    for table in reversed(main.css("table")):  # inner ones first
        if any("\n" in code.text().strip() for code in table.css("pre")):
            _open(table)


def _open(table: LexborNode) -> None:
    for cell in table.css("td,th,caption"):
        block = LexborHTMLParser(f"<div>{cell.inner_html or ''}</div>").css_first("div")
        if block is not None:
            cell.replace_with(block)
    for frame in table.css(_FRAMES):
        frame.unwrap()
    table.unwrap()
