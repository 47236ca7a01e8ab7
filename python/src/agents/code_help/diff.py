"""A unified diff that `git apply` takes: of one file, with the lines around the change."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import PurePosixPath

from .lines import Selection

_AROUND = 3
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def unified_diff(path: str, selection: Selection, chosen: Sequence[str]) -> str:
    """The diff from the file to one with `chosen` in place of the selection; '' where nothing changes.

    `path` is relative to where the diff is applied, with forward slashes.
    """
    # Outside of the selection nothing changes, so only what the hunks show is compared.
    before, after = selection.before[-_AROUND:], selection.after[:_AROUND]
    old, new = [*before, *selection.chosen, *after], [*before, *chosen, *after]
    skipped = len(selection.before) - len(before)
    hunks: list[str] = []
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_AROUND):
        hunks.append(_header(group, skipped))
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                hunks += [_line(" ", line) for line in old[old_from:old_to]]
                continue
            hunks += [_line("-", line) for line in old[old_from:old_to]]
            hunks += [_line("+", line) for line in new[new_from:new_to]]
    if not hunks:
        return ""
    # Git takes no path with "./" in it.
    plain = PurePosixPath(path).as_posix()
    a, b = _name(f"a/{plain}"), _name(f"b/{plain}")
    return "".join([f"diff --git {a} {b}\n", f"--- {a}{_tab(a)}\n", f"+++ {b}{_tab(b)}\n", *hunks])


def _header(group: Sequence[tuple[str, int, int, int, int]], skipped: int) -> str:
    old = _range(group[0][1] + skipped, group[-1][2] + skipped)
    new = _range(group[0][3] + skipped, group[-1][4] + skipped)
    return f"@@ -{old} +{new} @@\n"


def _range(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start if length == 0 else start + 1},{length}"


def _line(mark: str, line: str) -> str:
    return f"{mark}{line}" if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _name(path: str) -> str:
    """A path as git writes it: quoted where it holds a quote, a backslash or a control character."""
    if not any(letter in _ESCAPES or ord(letter) < 32 or ord(letter) == 127 for letter in path):
        return path
    return '"' + "".join(_ESCAPES.get(letter) or _escaped(letter) for letter in path) + '"'


def _escaped(letter: str) -> str:
    return f"\\{ord(letter):03o}" if ord(letter) < 32 or ord(letter) == 127 else letter


def _tab(name: str) -> str:
    """A tab after a name with a blank tells git where the name ends."""
    return "\t" if " " in name and not name.startswith('"') else ""
