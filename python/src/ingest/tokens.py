"""A cheap estimate of tokens, from the text's shape alone.

Measured over 3,085 pieces of a documentation and twelve odd texts: divided by this estimate, the counts of
a WordPiece tokenizer have median 0.88, 99th percentile 1.21, maximum 1.40; those of a byte-level BPE 0.81, 1.11 and,
before wide signs were counted more, 3.0. The pipeline asks the model's own tokenizer for the ratio that holds for it.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PIECES = re.compile(r"[A-Za-z]{1,4}|[^\sA-Za-z]")
"""Four letters a token, every other sign one of its own."""
_WIDE = re.compile("[\u2e80-\uffff]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")

DEFAULT_RATIO = 1.3
"""Tokens per estimated token until the model's tokenizer was asked."""


@lru_cache(maxsize=256)
def estimate(text: str) -> int:
    """Roughly the tokens of `text`; multiply by the model's ratio before comparing with a limit.

    Remembered for a moment: a block is weighed where it is cut and again where it is joined.
    """
    pieces = len(_PIECES.findall(text))
    if text.isascii():
        return pieces
    # A byte-level tokenizer takes up to two and three tokens for one sign of these ranges.
    return pieces + len(_WIDE.findall(text)) + 2 * len(_ASTRAL.findall(text))
