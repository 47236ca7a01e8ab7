"""Markdown as blocks: headings, code, tables and text, nothing of it changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})(.*)$")
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*$")
_LINK = re.compile(
    r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((<[^>]*>|(?:[^()\s]|\([^()]*\))*)(?:\s+\"(?:[^\"\\]|\\.)*\")?\)"
)


@dataclass(frozen=True, slots=True)
class Block:
    """A run of lines of one kind. `level` is a heading's; `info` is the opening line of code (its fence).

    `links` are (text, address) of what the text links to; in `text` only their words are left.
    """

    kind: Literal["heading", "code", "table", "text"]
    text: str
    level: int = 0
    info: str = ""
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it, up to the next heading. `path` holds the headings from the top."""

    path: tuple[str, ...]
    blocks: tuple[Block, ...]


def without_targets(text: str) -> str:
    """Links and images as their words alone: an address says little to an embedding and costs many tokens."""
    return _LINK.sub(lambda match: match.group(1), text)


def links_in(text: str) -> tuple[tuple[str, str], ...]:
    """(text, address) of every link, pictures left out."""
    found = (match for match in _LINK.finditer(text) if not match.group(0).startswith("!"))
    return tuple((without_targets(match.group(1)).strip(), match.group(2).strip("<>")) for match in found)


def blocks_of(markdown: str) -> Iterator[Block]:
    """The blocks in their order. A fence that is never closed ends with the text."""
    lines = markdown.split("\n")
    place = 0
    while place < len(lines):
        line = lines[place]
        if not line.strip():
            place += 1
            continue
        block, place = _block(lines, place)
        yield block


def sections_of(markdown: str) -> Iterator[Section]:
    """The sections in their order; what stands before the first heading has an empty path."""
    path: list[tuple[int, str]] = []
    gathered: list[Block] = []
    for block in blocks_of(markdown):
        if block.kind == "heading":
            if gathered:
                yield Section(tuple(title for _, title in path), tuple(gathered))
            path = [(level, title) for level, title in path if level < block.level]
            path.append((block.level, _title(block.text)))
            gathered = []
        gathered.append(block)
    if gathered:
        yield Section(tuple(title for _, title in path), tuple(gathered))


def _block(lines: list[str], place: int) -> tuple[Block, int]:
    """The block that begins at line `place`, and the line after it."""
    fence = _FENCE.match(lines[place])
    if fence:
        return _code(lines, place, fence)
    heading = _HEADING.match(lines[place])
    if heading:
        return _linked("heading", lines[place].strip(), level=len(heading.group(1))), place + 1
    if lines[place].lstrip().startswith("|"):
        end = _while(lines, place, lambda line: line.lstrip().startswith("|"))
        return _linked("table", "\n".join(lines[place:end])), end
    end = _while(lines, place, _is_text)
    return _linked("text", "\n".join(lines[place:end]).rstrip()), end


def _linked(kind: Literal["heading", "table", "text"], text: str, level: int = 0) -> Block:
    if "](" not in text:  # most have none, and looking for them costs
        return Block(kind, text, level=level)
    return Block(kind, without_targets(text), level=level, links=links_in(text))


def _is_text(line: str) -> bool:
    return bool(line.strip()) and not _FENCE.match(line) and not _HEADING.match(line)


def _while(lines: list[str], place: int, holds: object) -> int:
    end = place + 1
    while end < len(lines) and callable(holds) and holds(lines[end]):
        end += 1
    return end


def _code(lines: list[str], place: int, fence: re.Match[str]) -> tuple[Block, int]:
    indent, marks = len(fence.group(1)), fence.group(2)
    body = []
    end = place + 1
    while end < len(lines):
        stripped = lines[end].strip()
        if stripped.startswith(marks) and not stripped.strip(marks[0]):
            break
        line = lines[end]
        # In a list the fence and its code are indented alike; that much belongs to the list, not to the code.
        body.append(line[indent:] if not line[:indent].strip() else line)
        end += 1
    return Block("code", "\n".join(body), info=marks + fence.group(3).strip()), end + 1


def _title(heading: str) -> str:
    return _HEADING.sub(r"\2", heading).replace("`", "").replace("**", "").strip()
