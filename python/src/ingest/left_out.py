"""Addresses that a crawl found and left out, by reason: who misses a page can see why."""

from __future__ import annotations

from dataclasses import dataclass, field

from .addresses import canonical_url

_MOST = 10_000
"""Addresses that are remembered of a reason."""


@dataclass(slots=True)
class LeftOut:
    """What was left out so far, each address once."""

    _by_reason: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, url: str, reason: str) -> None:
        """Remember that `url` was left out. `reason` is said of one address and of many: '… left out: reason.'"""
        known = self._by_reason.setdefault(reason, {})
        if len(known) < _MOST:
            known.setdefault(canonical_url(url), url)

    def has(self, url: str) -> bool:
        """Whether it was left out before."""
        key = canonical_url(url)
        return any(key in known for known in self._by_reason.values())

    def lines(self) -> list[str]:
        """A sentence for each reason, with one of its addresses."""
        return [_line(reason, list(known.values())) for reason, known in self._by_reason.items()]


def _line(reason: str, urls: list[str]) -> str:
    if len(urls) == 1:
        return f"{urls[0]} was left out: {reason}."
    least = "At least " if len(urls) == _MOST else ""
    return f"{least}{len(urls)} addresses were left out: {reason}. One of them: {urls[0]}"
