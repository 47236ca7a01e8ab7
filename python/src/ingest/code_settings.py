"""Archon v1's settings for code examples, as they stand in the store; its defaults where they do not."""

from __future__ import annotations

from dataclasses import dataclass

from src.store import settings_rows
from src.store.database import Database

from .document import CodeRules

_LEAST, _MOST, _BY_LANGUAGE = "MIN_CODE_BLOCK_LENGTH", "MAX_CODE_BLOCK_LENGTH", "ENABLE_CONTEXTUAL_LENGTH"
_SUMMARIES, _AT_ONCE = "ENABLE_CODE_SUMMARIES", "CODE_SUMMARY_MAX_WORKERS"
_DEFAULT_LEAST, _DEFAULT_MOST, _DEFAULT_AT_ONCE = 250, 5000, 3
_TRUE = frozenset({"true", "1", "yes", "on"})


@dataclass(frozen=True, slots=True)
class SummarySettings:
    """Whether the chat model writes summaries of code examples, and how many at once."""

    wanted: bool
    at_once: int


async def code_rules(database: Database, *, wanted: bool) -> CodeRules:
    """Which blocks are examples; the least length goes by language unless that is switched off. Raises StoreError."""
    values = await _values(database)
    by_language = values.get(_BY_LANGUAGE, "true").lower() in _TRUE
    least = _number(values.get(_LEAST), _DEFAULT_LEAST)
    # A least length that somebody changed holds for every language.
    fixed = None if by_language and least == _DEFAULT_LEAST else least
    return CodeRules(wanted=wanted, least_chars=fixed, most_chars=_number(values.get(_MOST), _DEFAULT_MOST))


async def summary_settings(database: Database) -> SummarySettings:
    """Summaries cost a call of the chat model for each example: only where the stored setting wants them.

    Raises:
        StoreError: the settings cannot be read.
    """
    values = await _values(database)
    at_once = min(max(_number(values.get(_AT_ONCE), _DEFAULT_AT_ONCE), 1), 32)
    return SummarySettings(values.get(_SUMMARIES, "false").lower() in _TRUE, at_once)


async def _values(database: Database) -> dict[str, str]:
    return {row.key: row.value.strip() for row in await settings_rows.load(database) if row.value}


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() else default
