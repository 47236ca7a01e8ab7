"""The similarity floor of an embedding space: from which cosine on a passage counts as similar to a sentence.

Models differ: one gives unrelated texts a cosine of 0.1, another 0.7. So the floor is measured: it is the 95th
percentile of the cosine between sentences and passages that have nothing to do with each other, taken from
different pages of the store. A store of a few pages has no such pairs, its pages being about one thing; then its
texts are paired with texts of our own on other subjects, and the floor lies a third of the way from their 95th
percentile to the median of sentences and the passages that they come from.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import mul
from statistics import median

from src.errors import ProviderError
from src.inference.models import Embedder, Vector
from src.store.search import SearchRepository, SearchSpace, StoredPassage

from .sentences import split

GROWTH = 2.0
"""Measured again when the space has this many times the vectors it had."""
_PASSAGES = 120
_SENTENCES = 40
_ENOUGH_PAGES = 8
_ENOUGH_PASSAGES = 24
_PERCENTILE = 0.95
_LONGEST_SENTENCE = 400

FOREIGN = (
    "The glacier loses more ice in summer than the snow of winter brings back.",
    "Her second violin concerto was first played in a small hall near the harbour.",
    "Rent is due on the third working day of each month and is paid by transfer.",
    "Knead the dough until it no longer sticks, then let it rest under a cloth.",
    "The goalkeeper stopped two penalties and the match ended without a winner.",
    "Bees dance to tell the others of the hive where the blossoms are.",
    "The treaty moved the border to the river and gave the town a garrison.",
    "A dose of the medicine is taken with water after the evening meal.",
    "The express train stops at every second station on Sundays.",
    "He painted the fishing boats in thin layers of blue and grey.",
    "Vines on the southern slope ripen two weeks before those in the valley.",
    "The comet will be seen low above the western horizon before midnight.",
)
"""Sentences on subjects as far apart as we could think of."""


@dataclass(frozen=True, slots=True)
class PlacedSentence:
    """A sentence with the page it is from, and its vector."""

    page: str
    vector: Vector


async def ensure(space: SearchSpace, store: SearchRepository, embedder: Embedder) -> float:
    """The floor of `space`, measured now where it never was or the space has grown much since.

    Raises:
        ProviderError: sentences could not be embedded.
        StoreError: the database failed.
    """
    size = await store.space_size(space.id)
    known, at = space.similarity_floor, space.similarity_floor_size
    if known is not None and at is not None and size < GROWTH * max(at, 1):
        return known
    sample = await store.sample(space.id, _PASSAGES)
    chosen = _choose(sample)
    vectors = await embed_all([text for _, text in chosen] + list(FOREIGN), embedder)
    own = [PlacedSentence(passage.page, vector) for (passage, _), vector in zip(chosen, vectors, strict=False)]
    floor = await asyncio.to_thread(measure, sample, own, vectors[len(chosen) :])
    await store.save_floor(space.id, floor, size)
    return floor


def cosine(left: Vector, right: Vector) -> float:
    """The cosine of two vectors; 0 when one of them is zero."""
    return _dot(_unit(left), _unit(right))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie; `values` is not empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _choose(sample: Sequence[StoredPassage]) -> list[tuple[StoredPassage, str]]:
    """Passages spread over the sample, each with one sentence of it that is long enough to mean something."""
    step = max(1, len(sample) // _SENTENCES)
    found = [(passage, _telling(passage.content)) for passage in sample[::step]]
    return [(passage, text) for passage, text in found if text][:_SENTENCES]


def _telling(content: str) -> str:
    texts = [sentence.text for sentence in split(content) if len(sentence.text) <= _LONGEST_SENTENCE]
    return max(texts, key=len, default="")


async def embed_all(texts: Sequence[str], embedder: Embedder) -> list[Vector]:
    """The vectors of `texts`. Raises ConfigurationError, ProviderError where one of them has none."""
    vectors = []
    for outcome in await embedder.embed_passages(texts, somebody_waits=True):
        if outcome.vector is None:
            raise outcome.error or ProviderError("The embedding server gave no vector for a sentence.")
        vectors.append(outcome.vector)
    return vectors


def measure(sample: Sequence[StoredPassage], own: Sequence[PlacedSentence], foreign: Sequence[Vector]) -> float:
    """The floor from passages of the store, sentences of it, and sentences on other subjects."""
    passages = [(passage.page, _unit(passage.vector)) for passage in sample]
    sentences = [(sentence.page, _unit(sentence.vector)) for sentence in own]
    if len({page for page, _ in passages}) >= _ENOUGH_PAGES and len(passages) >= _ENOUGH_PASSAGES:
        return percentile([_dot(s, p) for home, s in sentences for page, p in passages if page != home], _PERCENTILE)
    return _between([p for _, p in passages], [s for _, s in sentences], [_unit(vector) for vector in foreign])


def _between(passages: Sequence[Vector], sentences: Sequence[Vector], foreign: Sequence[Vector]) -> float:
    """A third of the way from the 95th percentile of what is foreign to the median of what belongs together."""
    unrelated = [_dot(one, other) for one in foreign for other in (*passages, *sentences)]
    unrelated += [_dot(one, other) for one, other in combinations(foreign, 2)]
    base = percentile(unrelated, _PERCENTILE)
    related = [max(_dot(sentence, passage) for passage in passages) for sentence in sentences if passages]
    return base + max(0.0, median(related) - base) / 3 if related else base


def _unit(vector: Vector) -> Vector:
    length = _dot(vector, vector) ** 0.5
    return array("f", (value / length for value in vector)) if length else vector


def _dot(left: Vector, right: Vector) -> float:
    return float(sum(map(mul, left, right)))
