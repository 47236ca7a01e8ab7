"""Globs of addresses, compared in bounded time whatever they are: as a regular expression a few stars take for ever."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

_SIGNS = re.compile(r"(\*+|\?)")


@dataclass(frozen=True, slots=True)
class Glob:
    """`tokens`: `**` is anything, `*` anything but a slash, `?` one sign that is none, all else is itself."""

    tokens: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Glob:
        """A glob as people write it; `größe` and `gr%C3%B6%C3%9Fe` are the same."""
        tokens: list[str] = []
        for part in _SIGNS.split(text):
            if part.startswith("**"):
                tokens.append("**")
            elif part in ("*", "?"):
                tokens.append(part)
            else:
                tokens += unquote(part)
        return cls(tuple(tokens))

    def fits(self, text: str) -> bool:
        """Whether the whole of `text`, an address or a path with or without percent signs, is meant.

        Only the last star of each kind is ever tried again with more: an earlier one could only take away from it.
        """
        text = unquote(text)
        place = at = 0
        anything: tuple[int, int] | None = None
        within: tuple[int, int] | None = None
        while True:
            sign = self.tokens[place] if place < len(self.tokens) else ""
            if sign == "**":
                place, anything, within = place + 1, (place + 1, at), None
            elif sign == "*":
                place, within = place + 1, (place + 1, at)
            elif at < len(text) and (sign == text[at] or (sign == "?" and text[at] != "/")):
                place, at = place + 1, at + 1
            elif not sign and at == len(text):
                return True
            elif within is not None and text[within[1] : within[1] + 1] not in ("", "/"):
                place, at = within = (within[0], within[1] + 1)
            elif anything is not None and anything[1] < len(text):
                place, at = anything = (anything[0], anything[1] + 1)
                within = None
            else:
                return False
