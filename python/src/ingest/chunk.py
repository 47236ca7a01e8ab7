"""Chunks by structure: sections whole where they fit, small neighbours together, long ones cut with some overlap."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .blocks import Block, Section, sections_of
from .document import Budget, Chunk, Link, ReadRequest
from .tokens import estimate

VERSION = 2
"""Part of every content hash: pages are cut anew when the way of cutting changes."""

TARGET_TOKENS = 400
"""Longer chunks answer worse and fill a small model's context, however much the embedding model would take."""

MAX_LINKS = 40
"""Links kept of one passage."""
_SMALL = 0.3
"""A chunk below this share of the room is put together with its neighbour."""
_OVERLAP = 0.12
_CONTEXT = 0.2
_PARTS = re.compile(r".*?(?:[.!?]\s+|[。！？]|\n|$)", re.S)
_WORDS = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A passage in the making; `above` are the headings that it stands under and does not show itself."""

    text: str
    cost: int
    path: tuple[str, ...]
    above: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()


def reading(request: ReadRequest) -> str:
    """What the outcome of reading depends on besides the body: equal for two requests that give the same chunks."""
    identity = json.dumps([VERSION, request.budget.max_tokens, str(request.rules)])
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def chunks_of(markdown: str, budget: Budget, *, title: str = "", page_number: int | None = None) -> list[Chunk]:
    """The chunks of a document in their order; none is estimated above the budget, none is blank."""
    return chunks_in(sections_of(markdown), budget, title=title, page_number=page_number)


def chunks_in(
    sections: Iterable[Section], budget: Budget, *, title: str = "", page_number: int | None = None
) -> list[Chunk]:
    """As `chunks_of`, of a document whose sections are known."""
    room = max(int(min(budget.max_tokens, TARGET_TOKENS * budget.ratio) / budget.ratio), 8)
    pieces = _merged(_pieces(sections, room), room)
    return [_chunk(piece, room, title, page_number) for piece in pieces if piece.text.strip()]


def _chunk(piece: _Piece, room: int, title: str, page_number: int | None) -> Chunk:
    context = _context(piece, room, title)
    cost = piece.cost + (estimate(context) if context else 0)
    links = tuple(Link(address, text) for text, address in dict.fromkeys(piece.links))[:MAX_LINKS]
    return Chunk(piece.text, piece.path, context, cost, page_number, links)


def _context(piece: _Piece, room: int, title: str) -> str:
    """The headings above the passage, the nearest ones where not all fit; the title where there are none."""
    path = piece.above or ((title,) if title and not piece.path else ())
    left = min(int(room * _CONTEXT), room - piece.cost)
    kept: list[str] = []
    for heading in reversed(path):
        left -= estimate(heading) + 1
        if left < 0:
            break
        kept.insert(0, heading)
    return " > ".join(kept)


def _pieces(sections: Iterable[Section], room: int) -> Iterator[_Piece]:
    for section in sections:
        # Room is left for the headings that go before the passage.
        space = room - min(int(room * _CONTEXT), sum(estimate(heading) + 1 for heading in section.path))
        above = section.path[:-1]
        for text, cost, links in _packed(section.blocks, space):
            yield _Piece(text, cost, section.path, above, links)
            above = section.path


def _packed(blocks: Iterable[Block], space: int) -> Iterator[tuple[str, int, tuple[tuple[str, str], ...]]]:
    """Blocks of a section joined as long as they fit: text, cost and links of each piece."""
    gathered: list[str] = []
    links: list[tuple[str, str]] = []
    total = 0
    for block in blocks:
        for text in _parts(block, space):
            cost = estimate(text)
            if gathered and total + cost > space:
                yield "\n\n".join(gathered), total, tuple(links)
                gathered, links, total = [], [], 0
            gathered.append(text)
            links += [link for link in block.links if link[0] in text]
            total += cost
    if gathered:
        yield "\n\n".join(gathered), total, tuple(links)


def _parts(block: Block, space: int) -> list[str]:
    """A block as text, cut where it does not fit."""
    whole = _fenced(block, block.text) if block.kind == "code" else block.text
    if estimate(whole) <= space:
        return [whole]
    if block.kind == "code":
        inner = max(space - estimate(_fenced(block, "")), 4)
        return [_fenced(block, part) for part in _by_lines(block.text, inner)]
    if block.kind == "table":
        return _rows(block.text, space)
    return _cut(block.text, space)


def _fenced(block: Block, code: str) -> str:
    marks = block.info[: len(block.info) - len(block.info.lstrip(block.info[0]))]
    return f"{block.info}\n{code}\n{marks}"


def _by_lines(text: str, space: int) -> list[str]:
    """Cut between lines, nothing repeated; only a line that is too long by itself is cut inside."""
    parts: list[str] = []
    gathered: list[str] = []
    total = 0
    for line in text.split("\n"):
        for bit in _cut(line, space, overlap=False) if estimate(line) > space else [line]:
            cost = estimate(bit)
            if gathered and total + cost > space:
                parts.append("\n".join(gathered))
                gathered, total = [], 0
            gathered.append(bit)
            total += cost
    return [*parts, "\n".join(gathered)] if gathered else parts


def _rows(text: str, space: int) -> list[str]:
    """A table cut between rows, each part under the table's head."""
    lines = text.split("\n")
    has_head = len(lines) > 2 and set(lines[1]) <= set("|-: ")
    head, rows = ("\n".join(lines[:2]), lines[2:]) if has_head else ("", lines)
    inner = space - estimate(head)
    if inner < space // 2:
        return _cut(text, space)
    return [f"{head}\n{part}" if head else part for part in _by_lines("\n".join(rows), inner)]


def _cut(text: str, space: int, *, overlap: bool = True) -> list[str]:
    """Text cut at the ends of sentences, else of words, else anywhere; each part begins with the end of the last."""
    spare = int(space * _OVERLAP) if overlap else 0
    parts: list[str] = []
    gathered: list[tuple[str, int]] = []
    fresh = 0
    for unit in _all_units(text, space):
        cost = estimate(unit)
        if fresh and _total(gathered) + cost > space:
            parts.append(_joined(gathered))
            gathered, fresh = _tail(gathered, min(spare, space - cost)), 0
        gathered.append((unit, cost))
        fresh += 1
    if fresh:
        parts.append(_joined(gathered))
    return [part.strip() for part in parts] if overlap else parts


def _total(gathered: list[tuple[str, int]]) -> int:
    return sum(cost for _, cost in gathered)


def _joined(gathered: list[tuple[str, int]]) -> str:
    return "".join(unit for unit, _ in gathered)


def _all_units(text: str, space: int) -> Iterator[str]:
    for part in _PARTS.findall(text):
        if part:
            yield from _units(part, space)


def _tail(gathered: list[tuple[str, int]], spare: int) -> list[tuple[str, int]]:
    kept: list[tuple[str, int]] = []
    for unit, cost in reversed(gathered):
        spare -= cost
        if spare < 0:
            break
        kept.insert(0, (unit, cost))
    return kept


def _units(part: str, space: int) -> Iterator[str]:
    """A sentence whole where it fits half the space, else its words, and of a monstrous word its slices."""
    if estimate(part) <= space // 2:
        yield part
        return
    for word in _WORDS.findall(part):
        yield from _slices(word, space // 2)


def _slices(word: str, space: int) -> Iterator[str]:
    cost = estimate(word)
    if cost <= space:
        yield word
        return
    # Dense signs stand beside cheap ones: a slice that is still too long is cut again.
    step = max(len(word) * space // cost, 1)
    for start in range(0, len(word), step):
        piece = word[start : start + step]
        if len(piece) > 1 and estimate(piece) > space:
            yield from _slices(piece, space)
        else:
            yield piece


def _merged(pieces: Iterable[_Piece], room: int) -> Iterator[_Piece]:
    """Small pieces put together with the one that follows, where both fit."""
    held: _Piece | None = None
    for piece in pieces:
        if held is None:
            held = piece
        elif _belong(held, piece, room):
            text = f"{held.text}\n\n{piece.text}"
            cost, links = held.cost + piece.cost, held.links + piece.links
            held = _Piece(text, cost, _common(held.path, piece.path), held.above, links)
        else:
            yield held
            held = piece
    if held is not None:
        yield held


def _belong(held: _Piece, piece: _Piece, room: int) -> bool:
    reserve = int(room * _CONTEXT)
    is_small = min(held.cost, piece.cost) <= room * _SMALL
    return is_small and held.cost + piece.cost <= room - reserve


def _common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """The headings that both stand under; all of the longer path where one contains the other."""
    if second[: len(first)] == first:
        return second
    shared = 0
    while shared < min(len(first), len(second)) and first[shared] == second[shared]:
        shared += 1
    return first[: max(shared, 1)]
