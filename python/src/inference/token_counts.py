"""How long a text is in tokens: estimated from what the server has counted so far, exact only where it matters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

NEAR_LIMIT = 0.85
"""Texts whose estimate reaches this part of the limit are counted exactly."""
_CAUTION = 1.15
_KEPT = 8192


class TokenEstimate:
    """Characters per token, learned apart for ASCII and for everything else.

    Starts careful: 3 ASCII characters or 0.8 others a token, then follows `usage.prompt_tokens` of real batches.
    """

    def __init__(self) -> None:
        self._per_token = {"ascii": 3.0, "other": 0.8}
        self._learned: set[str] = set()

    def tokens(self, text: str) -> int:
        """An estimate that is seldom below the truth."""
        ascii_count, other = _split(text)
        raw = ascii_count / self._per_token["ascii"] + other / self._per_token["other"]
        return int(raw * (_CAUTION if self._learned else 1.0)) + 1

    def learn(self, texts: Sequence[str], tokens: int, special_per_text: int) -> None:
        """The server counted `tokens` for `texts` together, with `special_per_text` of its own in each."""
        counted = tokens - special_per_text * len(texts)
        ascii_count, other = map(sum, zip(*(_split(text) for text in texts), strict=True)) if texts else (0, 0)
        total = ascii_count + other
        if counted <= 0 or total < 200:
            return
        kind = "ascii" if ascii_count > 0.98 * total else "other" if other > 0.6 * total else None
        if kind is None:
            return
        seen = min(8.0, max(0.2, total / counted))
        share = 0.2 if kind in self._learned else 1.0
        self._per_token[kind] += share * (seen - self._per_token[kind])
        self._learned.add(kind)


class KnownCounts:
    """Exact counts of texts that were counted lately, so that a chunk is not counted twice on its way."""

    def __init__(self) -> None:
        self._counts: OrderedDict[int, int] = OrderedDict()

    def get(self, text: str) -> int | None:
        return self._counts.get(hash(text))

    def put(self, text: str, count: int) -> None:
        self._counts[hash(text)] = count
        if len(self._counts) > _KEPT:
            self._counts.popitem(last=False)


def _split(text: str) -> tuple[int, int]:
    if text.isascii():
        return len(text), 0
    ascii_count = len(text.encode("ascii", "ignore"))
    return ascii_count, len(text) - ascii_count
