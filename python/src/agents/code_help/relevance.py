"""Which other files help most to understand the chosen lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from .lines import Selection
from .request import CodeFile

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,}")
_NAMED = 1000.0
"""A file that the code names, in an import say, comes before all that only share words with it."""


def by_relevance(files: Sequence[CodeFile], path: str, selection: Selection) -> tuple[CodeFile, ...]:
    """`files`, most helpful first: those the code names, then those that share the rarest names with it."""
    chosen = names(selection.text)
    everything = chosen | names(selection.whole)
    sets = {file.path: names(file.text) for file in files}
    rarity = {name: 1 / (1 + sum(name in words for words in sets.values())) for name in everything}

    def score(file: CodeFile) -> float:
        shared = sets[file.path]
        stem = PurePosixPath(file.path).stem
        points = _NAMED if stem in everything and stem != PurePosixPath(path).stem else 0.0
        points += sum(rarity[name] * (3 if name in chosen else 1) for name in shared & everything)
        return points + (0.5 if PurePosixPath(file.path).parent == PurePosixPath(path).parent else 0.0)

    return tuple(sorted(files, key=score, reverse=True))


def names(text: str) -> set[str]:
    """The identifiers of a text."""
    return set(_NAME.findall(text))


def search_text(words: str, selection: Selection) -> str:
    """What to look for in the knowledge base: what is asked, and the names that stand in the code most often."""
    found = _NAME.findall(selection.text)
    often = sorted(set(found), key=lambda name: (-found.count(name), found.index(name)))
    return " ".join(filter(None, [words.strip()[:300], *often[:12]]))
