"""Traps: addresses that a site makes without end, such as calendars, filters and links that grow by following them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

_MOST_PARTS = 24
_MOST_REPEATS = 2
_MOST_PARAMETERS = 8
_MOST_VARIANTS = 150
_MOST_NUMBERED = 1000
_NUMBERS = re.compile(r"\d+")


@dataclass(slots=True)
class Traps:
    """What was met so far. Counts grow with the shapes of addresses, not with addresses."""

    _variants: Counter[str] = field(default_factory=Counter)
    _numbered: Counter[str] = field(default_factory=Counter)

    def reason(self, url: str) -> str | None:
        """Why an address that was not met before looks like one of a trap; None where it does not."""
        parts = urlsplit(url)
        return _shape(parts.path, parts.query) or self._counted(parts.path, parts.query)

    def _counted(self, path: str, query: str) -> str | None:
        if query:
            self._variants[path] += 1
            if self._variants[path] > _MOST_VARIANTS:
                return f"more than {_MOST_VARIANTS} variants of one address that differ only behind the '?'"
        # A calendar counts in its path or behind the '?'; documentation rarely has so many pages of one shape.
        numbered = _NUMBERS.sub("0", f"{path}?{query}")
        if numbered.count("0") >= _MOST_REPEATS:
            self._numbered[numbered] += 1
            if self._numbered[numbered] > _MOST_NUMBERED:
                return f"more than {_MOST_NUMBERED} addresses that differ only in their numbers, as a calendar's do"
        return None


def _shape(path: str, query: str) -> str | None:
    parts = [part for part in path.split("/") if part]
    if len(parts) > _MOST_PARTS:
        return f"more than {_MOST_PARTS} folders deep"
    if any(count > _MOST_REPEATS for count in Counter(parts).values()) and _repeats(parts):
        return "folders that repeat themselves, as links that grow by following them do"
    if len(parse_qsl(query, keep_blank_values=True)) > _MOST_PARAMETERS:
        return f"more than {_MOST_PARAMETERS} parameters"
    return None


def _repeats(parts: list[str]) -> bool:
    """Whether a run of folders stands three times in a row."""
    for size in range(1, len(parts) // 3 + 1):
        for start in range(len(parts) - 3 * size + 1):
            one = parts[start : start + size]
            if one == parts[start + size : start + 2 * size] == parts[start + 2 * size : start + 3 * size]:
                return True
    return False
