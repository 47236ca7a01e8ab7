"""Citation markers in a streamed answer: those that name a passage stay, the others never reach the reader."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_NUMBER = r"[#^]?(?:(?:passage|source|ref)s?[ #]*)?[0-9]+"
_BETWEEN = r"[ \t]?(?:[,;–-]|and|&)[ \t]?"
_MARKER = re.compile(
    rf"(?P<space>[ \t]*)(?P<body>[\[【][ \t]?(?P<inner>{_NUMBER}(?:{_BETWEEN}{_NUMBER})*)[ \t]?"
    r"(?:†[^\[【\]】\n]*)?[\]】])",
    re.IGNORECASE,
)
_SPACE = re.compile(r"[ \t]*")
_PLAIN = re.compile(r"[^\[【` \t\n]+")
_FENCE = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)\n")
_MAYBE_FENCE = re.compile(r"[ \t]*(?:`{1,2}|~{1,2}|(?:`{3,}|~{3,})[^\n]*)?")
_TICKS = re.compile(r"`+")
_LONGEST_MARKER = 120
_LONGEST_CODE = 400
"""What is held back is bounded: a bracket or a backtick that never closes must not stop the stream."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker of the answer: `answer[start:end]` is `[number]`, and the passage `number` was in the context."""

    start: int
    end: int
    number: int


class MarkerFilter:
    """Takes pieces of an answer and gives the text that may be shown; holds back what may yet be a marker.

    Every marker that comes out has the form `[n]` and names one of `known`. Code (fences and spans) passes as it
    is: `items[0]` in it is no citation. `text` is all that came out so far, `markers` and `code` say where in
    it markers and code stand.
    """

    def __init__(self, known: Collection[int]) -> None:
        self._known = frozenset(known)
        self._held = ""
        self._fence: str | None = None
        self._line_start = True
        self._length = 0
        self._out: list[str] = []
        self._tail = ""
        self.markers: list[Marker] = []
        self.code: list[tuple[int, int]] = []

    @property
    def text(self) -> str:
        """All text that came out."""
        return "".join(self._out)

    def feed(self, piece: str) -> str:
        """The text that `piece` makes ready; may be empty."""
        self._held += piece
        return self._run(final=False)

    def close(self) -> str:
        """The rest, once the answer has ended."""
        return self._run(final=True)

    def _run(self, *, final: bool) -> str:
        before = len(self._out)
        while self._held:
            taken = self._fenced(final) if self._fence is not None else self._prose(final)
            if not taken:
                break
            self._held = self._held[taken:]
        return "".join(self._out[before:])

    def _fenced(self, final: bool) -> int:
        """Pass one line of a code block on; the block ends with a line of at least as many ticks."""
        fence = self._fence or ""
        line, newline, _ = self._held.partition("\n")
        if not newline and not final and self._line_start and not line.strip().strip(fence[0]):
            return 0
        if self._line_start and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            self._fence = None
        return self._pass(line + newline, code=True)

    def _prose(self, final: bool) -> int:
        held = self._held
        if self._line_start:
            fence = _FENCE.match(held)
            if fence and "`" not in fence["info"] and fence.end() <= _LONGEST_CODE:
                self._fence = fence["fence"]
                return self._pass(fence.group(), code=True)
            if not final and len(held) <= _LONGEST_CODE and _MAYBE_FENCE.fullmatch(held):
                return 0
        plain = _PLAIN.match(held)
        if plain:
            return self._pass(plain.group())
        if held[0] == "\n":
            return self._pass("\n")
        return self._code(final) if held[0] == "`" else self._marker(final)

    def _code(self, final: bool) -> int:
        """A span of code, or backticks that never close."""
        ticks = _TICKS.match(self._held)
        run = ticks.group() if ticks else "`"
        line = self._held.partition("\n")[0]
        closing = re.compile(rf"(?<!`){run}(?!`)").search(line, len(run))
        open_ended = len(line) == len(self._held) and not final
        if closing and closing.end() <= _LONGEST_CODE and not (open_ended and closing.end() == len(line)):
            return self._pass(line[: closing.end()], code=True)
        return 0 if open_ended and len(line) <= _LONGEST_CODE else self._pass(run)

    def _marker(self, final: bool) -> int:
        """Spaces and brackets: a whole marker, what may become one, or ordinary text."""
        whole = _MARKER.match(self._held)
        if whole and len(whole["body"]) <= _LONGEST_MARKER:
            self._resolve(whole)
            return whole.end()
        spaces = _SPACE.match(self._held)
        after = spaces.end() if spaces else 0
        line = self._held[after:].partition("\n")[0]
        unfinished = after + len(line) == len(self._held) and not final
        if unfinished and len(line) <= _LONGEST_MARKER and not re.search(r"[\]】]|.[\[【]", line):
            return 0 if not line or line[0] in "[【" else self._pass(self._held[:after])
        return self._pass(self._held[: after or 1])

    def _resolve(self, match: re.Match[str]) -> None:
        kept = [number for number in _numbers(match["inner"]) if number in self._known]
        if not kept:
            # Taken out from between "[" and "2]", it would let a new marker come into being.
            if re.search(r"[\[【][^\]】\n]*$", self._tail):
                self._pass(" ")
            return
        self._pass(match["space"])
        for number in kept:
            self.markers.append(Marker(self._length, self._length + len(f"[{number}]"), number))
            self._pass(f"[{number}]")

    def _pass(self, text: str, *, code: bool = False) -> int:
        """Let `text` out; returns its length."""
        if text:
            if code:
                self.code.append((self._length, self._length + len(text)))
            self._out.append(text)
            self._length += len(text)
            self._tail = (self._tail + text)[-2 * _LONGEST_MARKER :]
            self._line_start = text.endswith("\n")
        return len(text)


def _numbers(inner: str) -> list[int]:
    """The numbers a marker names, ranges spelled out, each once."""
    found: list[int] = []
    for part in re.split(r"[,;&]|and", inner, flags=re.I):
        ends = [int(digits[:6]) for digits in re.findall(r"[0-9]+", part)]
        first, last = ends[0], ends[-1]
        found.extend(range(first, last + 1) if first <= last <= first + 50 else ends)
    return list(dict.fromkeys(found))
