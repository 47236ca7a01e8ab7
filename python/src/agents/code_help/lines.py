"""A file as lines that keep their ends, and the chosen ones among them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

_BYTE_ORDER_MARK = "\ufeff"


def split(text: str) -> list[str]:
    """Lines with their ends, divided at line feeds only, as git does: form feeds and the like stay inside a line."""
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def bare(line: str) -> str:
    """A line without its end."""
    return line.removesuffix("\n").removesuffix("\r")


@dataclass(frozen=True, slots=True)
class Selection:
    """Lines `start` to `end` of a file, counted from 1, both included."""

    before: tuple[str, ...]
    chosen: tuple[str, ...]
    after: tuple[str, ...]

    @classmethod
    def of(cls, text: str, start: int, end: int) -> Selection:
        """The lines of `text`; `end` beyond its last line means the last one."""
        lines = split(text)
        return cls(tuple(lines[: start - 1]), tuple(lines[start - 1 : end]), tuple(lines[end:]))

    @property
    def start(self) -> int:
        return len(self.before) + 1

    @property
    def end(self) -> int:
        return len(self.before) + len(self.chosen)

    @property
    def text(self) -> str:
        """The chosen lines as they stand in the file."""
        return "".join(self.chosen)

    @property
    def whole(self) -> str:
        """The file as it is."""
        return "".join((*self.before, *self.chosen, *self.after))

    def with_new(self, chosen: list[str]) -> str:
        """The file with other lines in place of the chosen ones."""
        return "".join((*self.before, *chosen, *self.after))


def shown(lines: tuple[str, ...] | list[str]) -> str:
    """Lines as a model is shown them: with plain line feeds, without the last one."""
    return "\n".join(bare(line) for line in lines)


def fitted(new_text: str, selection: Selection) -> list[str]:
    """`new_text` (plain line feeds) as lines of the file: its line ends, its indentation, its end, its byte order mark.

    A line that was there keeps its own end; new ones get the one that most of the chosen lines have. Where the file's
    last line had no line feed, the new last line has none.
    """
    if selection.text.startswith(_BYTE_ORDER_MARK) and selection.start == 1:
        new_text = _BYTE_ORDER_MARK + new_text.removeprefix(_BYTE_ORDER_MARK)
    old = [bare(line) for line in selection.chosen]
    wanted = _indented(new_text.split("\n"), old)
    usual = _usual_end(selection.chosen)
    lines = [line + usual for line in wanted]
    for block in SequenceMatcher(None, old, wanted, autojunk=False).get_matching_blocks():
        for at in range(block.size):
            lines[block.b + at] = selection.chosen[block.a + at]
    lines = [line if line.endswith("\n") else line + usual for line in lines]
    if not selection.chosen[-1].endswith("\n"):
        lines[-1] = bare(lines[-1])
    return lines


def _usual_end(lines: tuple[str, ...]) -> str:
    """The end that most lines have."""
    windows = sum(line.endswith("\r\n") for line in lines)
    return "\r\n" if windows * 2 > sum(line.endswith("\n") for line in lines) else "\n"


def _indented(new: list[str], old: list[str]) -> list[str]:
    """`new` moved to the right where a model answered without the indentation that all the old lines have."""
    margin = _margin(old)
    first = next((line for line in new if line.strip()), "")
    if not margin or first[:1].isspace():
        return new
    return [margin + line if line.strip() else line for line in new]


def _margin(lines: list[str]) -> str:
    """The white space that every line with text begins with."""
    texts = [line for line in lines if line.strip()]
    if not texts:
        return ""
    low, high = min(texts), max(texts)
    common = 0
    while common < min(len(low), len(high)) and low[common] == high[common] and low[common] in " \t":
        common += 1
    return low[:common]
