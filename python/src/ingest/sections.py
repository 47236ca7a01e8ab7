"""llms-full.txt: a whole documentation in one file, cut into its parts at the headings of the first level."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

_HEADING = re.compile(r"^#[ \t]+(.+?)[ \t]*#*$")
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_FULL = re.compile(r"llms[-_.]?full|full[-_.]?llms")
_LEAST_CHARS = 200
WHOLE = "Full Document"


@dataclass(frozen=True, slots=True)
class Part:
    """A part: its title, its text, and the fragment that its address ends with."""

    title: str
    text: str
    fragment: str


def is_full(url: str) -> bool:
    """Whether the address names a file that holds a whole documentation."""
    path = PurePosixPath(urlsplit(url).path.lower())
    return bool(_FULL.search(path.stem)) and path.suffix in (".txt", ".md", ".mdx", ".markdown")


def split(text: str) -> list[Part]:
    """The parts in their order. Short ones stay with the part before them; nothing is lost or repeated."""
    pieces = _merged(_pieces(text.split("\n")))
    if not any(title for title, _ in pieces):
        pieces = [(WHOLE, [line for _, lines in pieces for line in lines])]
    return [
        Part(title or WHOLE, "\n".join(lines).strip("\n"), f"section-{number}-{slug(title or WHOLE)}")
        for number, (title, lines) in enumerate(pieces)
    ]


def slug(title: str) -> str:
    """A title as the end of an address."""
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-")[:60] or "part"


def _pieces(lines: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Lines by the heading above them; a heading inside of code is none."""
    pieces: list[tuple[str, list[str]]] = [("", [])]
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark.group(1)
        elif mark and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        heading = None if fence else _HEADING.match(line)
        if heading:
            pieces.append((heading.group(1).replace("`", ""), []))
        pieces[-1][1].append(line)
    return [piece for piece in pieces if any(line.strip() for line in piece[1])]


def _merged(pieces: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    kept: list[tuple[str, list[str]]] = []
    for title, lines in pieces:
        short = sum(len(line) + 1 for line in lines) < _LEAST_CHARS
        if kept and (short or not kept[-1][0]):
            kept[-1] = (kept[-1][0] or title, [*kept[-1][1], *lines])
        else:
            kept.append((title, lines))
    return kept
