"""Code beside its line numbers: the table that holds both goes, and the code stays a block."""

from __future__ import annotations

from selectolax.lexbor import LexborNode

_GUTTERS = "td.linenos,td.gutter,td.lineno,td.line-numbers,td.rouge-gutter,td.hljs-ln-numbers"
_INNER_NUMBERS = "pre span.linenos,pre span.lineno,pre span.linenumber,pre .line-numbers-rows,pre a.linenos"


def drop_line_numbers(main: LexborNode) -> None:
    """Change `main` so that its code blocks hold code alone."""
    for node in main.css(_INNER_NUMBERS):
        node.decompose()
    for table in main.css("table"):
        gutters = table.css(_GUTTERS)
        for gutter in gutters:
            gutter.decompose()
        if gutters and (len(table.css("td")) == 1 or _is_in_code(table)):
            _unframe(table)


def _is_in_code(table: LexborNode) -> bool:
    node = table.parent
    while node is not None and node.tag != "pre":
        node = node.parent
    return node is not None


def _unframe(table: LexborNode) -> None:
    in_code = _is_in_code(table)
    for row in table.css("tr")[:-1]:
        row.insert_after("\n")  # each row is a line
    for inner in table.css("pre") if in_code else ():
        inner.unwrap()
    for name in ("td", "tr", "tbody", "thead"):
        for node in table.css(name):
            node.unwrap()
    table.unwrap()
