"""Patterns of addresses: which links a crawl follows, and which it leaves alone.

`/docs/*` and `/docs/**` are compared with the path, `https://…*` with the whole address: `*` stands for anything
within a part of the path, `**` for anything at all, `?` for one sign. `re:…` is a regular expression, found anywhere
in the address. Each is compared in a time that grows with the address's length and no faster: thousands of links are
compared while others wait.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from urllib.parse import unquote, urlsplit

from pydantic_core import SchemaError, SchemaValidator, core_schema

from src.errors import ErrorContext, InvalidInput

MAX_PATTERNS = 50
MAX_CHARS = 300
_REGEX = "re:"
_GROUP_COUNT = re.compile(r"\)\{(?:\d*,)?(\d+)")
_COUNT = re.compile(r"(?<!\))\{(?:\d*,)?(\d+)")
_MOST_STATES = 1000
"""Signs of an expression, written out: at most so many are compared with each sign of an address, a few ms in all."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern, made ready. `is_whole`: compared with the whole address instead of its path."""

    text: str
    finds: Callable[[str], object]
    is_whole: bool
    is_glob: bool = False

    def fits(self, url: str) -> bool:
        """Whether an address is meant."""
        compared = url if self.is_whole else urlsplit(url).path or "/"
        # A glob names signs as people read them: `größe` and `gr%C3%B6%C3%9Fe` are the same.
        return bool(self.finds(unquote(compared) if self.is_glob else compared))


@dataclass(frozen=True, slots=True)
class Patterns:
    """What to follow: all that one of `include` means (everything, if there is none) and none of `exclude`."""

    include: tuple[Pattern, ...] = ()
    exclude: tuple[Pattern, ...] = ()

    @classmethod
    def of(cls, include: Sequence[str], exclude: Sequence[str]) -> Patterns:
        """The patterns as people write them; blank ones are passed over.

        Raises:
            InvalidInput: one cannot be used; names the field and the pattern.
        """
        return cls(_all("include", include), _all("exclude", exclude))

    def allow(self, url: str) -> bool:
        """Whether an address may be followed."""
        wanted = not self.include or any(pattern.fits(url) for pattern in self.include)
        return wanted and not any(pattern.fits(url) for pattern in self.exclude)


def _all(field: str, texts: Sequence[str]) -> tuple[Pattern, ...]:
    kept = [text.strip() for text in texts if text.strip()]
    if len(kept) > MAX_PATTERNS:
        raise InvalidInput(f"'{field}' has more than {MAX_PATTERNS} patterns.", context=ErrorContext(field=field))
    return tuple(_one(field, text) for text in kept)


def _one(field: str, text: str) -> Pattern:
    if len(text) > MAX_CHARS:
        raise _unusable(field, text[:60], f"it is longer than {MAX_CHARS} characters")
    if text.startswith(_REGEX):
        return _regex(field, text)
    if not text.startswith(("/", "*", "http://", "https://")):
        raise _unusable(field, text, "it begins neither with '/', '*' nor 'http'")
    return Pattern(text, re.compile(_glob(text), re.S).search, "://" in text, is_glob=True)


def _regex(field: str, text: str) -> Pattern:
    """By the engine that pydantic brings: unlike Python's own, it never tries the same again in another way."""
    expression = text.removeprefix(_REGEX)
    if _states(expression) > _MOST_STATES:
        raise _unusable(field, text, "its counts in braces are too high")
    try:
        engine = SchemaValidator(core_schema.str_schema(pattern=expression, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).splitlines()[-1].strip().removeprefix("SchemaError: ").removeprefix("error: ").rstrip(".")
        raise _unusable(field, text, reason) from error
    return Pattern(text, engine.isinstance_python, True)


def _states(expression: str) -> int:
    """At most so long is an expression whose counts are written out; groups may stand in groups."""
    expression = "".join(expression.split())  # spaces may stand in it where it asks for that
    signs = len(expression) + sum(map(int, _COUNT.findall(expression)))
    return signs * prod(max(int(count), 1) for count in _GROUP_COUNT.findall(expression))


def _glob(text: str) -> str:
    """`**` is anything, `*` anything but a slash, `?` one sign that is none; compared in bounded time.

    All stars but the last of each kind take what comes first and are not tried again, as in `fnmatch`: more for an
    earlier one only leaves less for those behind it. Otherwise a few stars take for ever.
    """
    *before, last = re.split(r"\*{2,}", text)
    first, *inner = ["".join(_segment(part)) for part in before] or [""]
    *early, final = _segment(last)
    end = "".join(early) + final.replace("(?>[^/]*?", "(?:[^/]*", 1) + r"\Z"
    return rf"\A{first}{''.join(f'(?>.*?{part})' for part in inner)}{'.*' if before else ''}{end}"


def _segment(part: str) -> list[str]:
    """What stands between two `**`: a beginning, and for each `*` the next place where what follows it fits."""
    begin, *others = (_literal(piece) for piece in part.split("*"))
    return [begin, *(f"(?>[^/]*?{piece})" for piece in others)]


def _literal(text: str) -> str:
    return "[^/]".join(re.escape(unquote(piece)) for piece in text.split("?"))


def _unusable(field: str, text: str, reason: str) -> InvalidInput:
    return InvalidInput(
        f"The pattern '{text}' cannot be used: {reason}.",
        next_step="Write for example /docs/**, **/api/**, or re:\\.html$.",
        context=ErrorContext(field=field),
    )
