"""A text taken apart into sentences that know where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCED = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*(?:\n.*?(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)|\Z)", re.M | re.S
)
_CODE_SPAN = re.compile(r"(`+)[^`\n]+?\1")
_LEAD = re.compile(r"[ \t]*(?:(?:[-*+•]|[0-9]{1,3}[.)]|#{1,6}|>)[ \t]+)*")
_BEGINS_ANEW = re.compile(r"[ \t]*(?:(?:[-*+•]|[0-9]{1,3}[.)]|#{1,6}|>)[ \t]|\||$)")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]")
_END = re.compile(r"(?:[.!?…]+[\"'”’)*_]*(?:[ \t]*\[[0-9]+\])*(?=\s|$)|[。！？]+[”’」）]*(?:[ \t]*\[[0-9]+\])*)")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|etc|approx|resp|fig|no|mr|mrs|ms|dr|prof|st)|\b[a-z])\.$", re.I)
_ALWAYS_GOES_ON = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|mr|mrs|dr|prof)|\b(?-i:[A-Z]))\.$", re.I)
_WORDS = re.compile(r"[^\W_]")
_MARKERS_ONLY = re.compile(r"(?:\[[0-9]+\][\s,;.]*)+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, a heading, a list item or a block of code: `whole[start:end]`."""

    start: int
    end: int
    text: str


def split(whole: str) -> list[Sentence]:
    """The sentences of `whole` in their order; markers behind a full stop belong to the sentence before it."""
    found: list[Sentence] = []
    for start, end in _units(whole):
        start, end = _trim(whole, start, end)
        text = whole[start:end]
        if found and _MARKERS_ONLY.fullmatch(text):
            last = found.pop()
            found.append(Sentence(last.start, end, whole[last.start : end]))
        elif _WORDS.search(text):
            found.append(Sentence(start, end, text))
    return found


def _units(whole: str) -> Iterator[tuple[int, int]]:
    place = 0
    for block in _FENCED.finditer(whole):
        yield from _prose(whole, place, block.start())
        yield block.span()
        place = block.end()
    yield from _prose(whole, place, len(whole))


def _prose(whole: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for first, last in _paragraphs(whole, start, end):
        yield from _sentences(whole, first, last)


def _paragraphs(whole: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Lines that belong together; a list item, a heading, a table row and an empty line begin anew."""
    first = place = start
    for line in whole[start:end].splitlines(keepends=True):
        previous_is_heading = bool(_HEADING.match(whole[first:place]))
        if place > first and (previous_is_heading or _BEGINS_ANEW.match(line.rstrip("\r\n"))):
            yield first, place
            first = place
        place += len(line)
    if place > first:
        yield first, place


def _sentences(whole: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    # A full stop inside code is no end; same length, so that offsets stay true.
    masked = _CODE_SPAN.sub(lambda span: "x" * len(span.group()), whole[start:end])
    lead = _LEAD.match(masked)
    place = lead.end() if lead else 0
    for stop in _END.finditer(masked, place):
        if _goes_on(masked, stop.end()):
            continue
        yield start + place, start + stop.end()
        place = stop.end()
    if masked[place:].strip():
        yield start + place, end


def _goes_on(masked: str, stop: int) -> bool:
    """Whether the full stop before `stop` only ends an abbreviation."""
    before, after = masked[max(0, stop - 12) : stop], masked[stop:].lstrip()
    if _ALWAYS_GOES_ON.search(before):
        return bool(after)
    return bool(_ABBREVIATION.search(before)) and after[:1].islower()


def _trim(whole: str, start: int, end: int) -> tuple[int, int]:
    text = whole[start:end]
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())
