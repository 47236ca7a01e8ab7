"""How long a text is in tokens: estimated from what the server has counted so far, exact only where it matters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal, TypeAlias

NEAR_LIMIT = 0.85
"""Texts whose estimate reaches this part of the limit are counted exactly."""
_CAUTION = 1.15
_KEPT = 8192
_ENOUGH = 200
_MOSTLY = 0.6
Script: TypeAlias = Literal["ascii", "alphabet", "wide", "astral"]
"""By bytes in UTF-8: 1; 2 (Greek, Cyrillic, Arabic, accents); 3 (Chinese, Japanese, Hindi, Thai); 4 (signs, emoji)."""
_CAREFUL: dict[Script, float] = {"ascii": 3.0, "alphabet": 0.8, "wide": 0.5, "astral": 0.3}
"""Characters a token before anything was counted; byte-level tokenizers take up to three tokens for one character."""


class TokenEstimate:
    """Characters per token, learned apart for each kind of script.

    Starts careful and follows what the server counts: `usage.prompt_tokens` of real batches, and single texts.
    """

    def __init__(self) -> None:
        self._per_token = dict(_CAREFUL)
        self._learned: set[Script] = set()

    def tokens(self, text: str) -> int:
        """An estimate that is seldom below the truth."""
        raw = 0.0
        for script, characters in _by_script(text).items():
            known = characters / self._per_token[script]
            raw += known * _CAUTION if script in self._learned else known
        return int(raw) + 1

    def learn(self, texts: Sequence[str], tokens: int, special_per_text: int) -> None:
        """The server counted `tokens` for `texts` together, with `special_per_text` of its own in each.

        Only what is nearly all of one script teaches something; the few other characters count as known so far.
        """
        together = _together(texts)
        total = sum(together.values())
        if total < _ENOUGH:
            return
        script = max(together, key=lambda one: together[one])
        others = sum(count / self._per_token[one] for one, count in together.items() if one is not script)
        counted = tokens - special_per_text * len(texts) - others
        if counted <= 0 or together[script] < _MOSTLY * total:
            return
        seen = min(8.0, max(0.2, together[script] / counted))
        share = 0.2 if script in self._learned else 1.0
        self._per_token[script] += share * (seen - self._per_token[script])
        self._learned.add(script)


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


def _by_script(text: str) -> dict[Script, int]:
    """Characters of each kind. How many bytes a character takes tells its kind, so that no character is looked at."""
    if text.isascii():
        return {"ascii": len(text)}
    ascii_count = len(text.encode("ascii", "ignore"))
    astral = len(text.encode("utf-16-le", "surrogatepass")) // 2 - len(text)
    rest = len(text) - ascii_count - astral
    wide = len(text.encode("utf-8", "surrogatepass")) - ascii_count - 4 * astral - 2 * rest
    return {"ascii": ascii_count, "alphabet": rest - wide, "wide": wide, "astral": astral}


def _together(texts: Sequence[str]) -> dict[Script, int]:
    together: dict[Script, int] = dict.fromkeys(_CAREFUL, 0)
    for text in texts:
        for script, count in _by_script(text).items():
            together[script] += count
    return together
