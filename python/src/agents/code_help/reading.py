"""New code out of a model's answer."""

from __future__ import annotations

import re

from ..neutral import neutralise
from .lines import Selection, fitted

_OPENING = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,})[^`\n]*$")
_CANDIDATE = re.compile(r"<[^<>\s]{1,70}>?|\[/?[A-Z_]{2,20}\]")


class Unusable(ValueError):
    """An answer from which no change can be read; its text says why, for the model and for people."""


def new_lines(answer: str, finish_reason: str | None, selection: Selection) -> list[str]:
    """The lines that take the place of the chosen ones. Raises Unusable where the answer holds none, or no change."""
    code = restored(_code(answer, finish_reason), selection.text)
    lines = fitted(code, selection)
    if lines == list(selection.chosen):
        raise Unusable("the new lines are the same as the old ones.")
    return lines


def restored(code: str, original: str) -> str:
    """`code` with the words that were made harmless on their way to the model as they stand in the file."""
    for word in set(_CANDIDATE.findall(original)):
        harmless = neutralise(word)
        if harmless != word and harmless not in original:
            code = code.replace(harmless, word)
    return code


def _code(answer: str, finish_reason: str | None) -> str:
    lines = answer.replace("\r\n", "\n").split("\n")
    for at, line in enumerate(lines):
        opening = _OPENING.match(line)
        if opening is None:
            continue
        code = _until_closed(lines[at + 1 :], opening["fence"])
        if code is None:
            raise Unusable(_not_closed(finish_reason))
        if code.strip():
            return code
    if finish_reason == "length":
        raise Unusable(_not_closed(finish_reason))
    raise Unusable("it holds no code block.")


def _until_closed(lines: list[str], fence: str) -> str | None:
    """The text up to the line that closes the fence: the same mark, at least as long, and nothing else."""
    for at, line in enumerate(lines):
        mark = line.strip()
        if len(mark) >= len(fence) and set(mark) == {fence[0]}:
            return "\n".join(lines[:at])
    return None


def _not_closed(finish_reason: str | None) -> str:
    cut = finish_reason == "length"
    return "it was cut at the longest answer, before the code was whole." if cut else "its code block has no end."
