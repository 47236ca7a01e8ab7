"""What supports each sentence of an answer: a marker of the model, a similar passage, or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from src.inference.models import Embedder, Vector
from src.store.search import SearchRepository, SearchSpace

from . import floor as floors
from .events import CitationEvent, Passage
from .markers import Marker
from .sentences import Sentence, split

_MARKERS = re.compile(r"[ \t]*\[[0-9]+\]")
_LONGEST = 600
"""Characters of a sentence that are embedded: within the shortest common limit of 256 tokens, also for code."""


def cited(answer: str, markers: Sequence[Marker]) -> list[CitationEvent]:
    """The sentences of `answer` with the passages their markers name; those without a marker are `none`."""
    return [_by_markers(sentence, markers) for sentence in split(answer)]


async def judge(
    answer: str,
    markers: Sequence[Marker],
    passages: Sequence[Passage],
    space: SearchSpace | None,
    store: SearchRepository,
    embedder: Embedder,
) -> list[CitationEvent]:
    """What supports each sentence of `answer`, the sentences in their order.

    Without a space there is no measure of what is similar: then only markers count.

    Raises:
        ConfigurationError, ProviderError: sentences could not be embedded.
        StoreError: the database failed.
    """
    found = cited(answer, markers)
    if not found or not passages or space is None:
        return found
    stored = await store.vectors(space.id, [passage.chunk_id for passage in passages])
    near = {passage.number: stored[passage.chunk_id] for passage in passages if passage.chunk_id in stored}
    floor = await floors.ensure(space, store, embedder)
    vectors = await floors.embed_all([_bare(event.sentence) for event in found], embedder)
    return [decide(event, vector, near, floor) for event, vector in zip(found, vectors, strict=True)]


def decide(event: CitationEvent, vector: Vector, passages: Mapping[int, Vector], floor: float) -> CitationEvent:
    """`event` with its similarity, and `similar` where it names no passage but is at or above `floor` to one."""
    alike = {number: floors.cosine(vector, passage) for number, passage in passages.items()}
    if event.kind == "cited":
        return replace(event, similarity=max((alike[n] for n in event.numbers if n in alike), default=None))
    best = max(alike, key=lambda number: alike[number], default=None)
    if best is None:
        return event
    if alike[best] >= floor:
        return replace(event, kind="similar", numbers=(best,), similarity=alike[best])
    return replace(event, similarity=alike[best])


def _by_markers(sentence: Sentence, markers: Sequence[Marker]) -> CitationEvent:
    inside = [marker.number for marker in markers if sentence.start <= marker.start < sentence.end]
    numbers = tuple(dict.fromkeys(inside))
    return CitationEvent(sentence.text, sentence.start, sentence.end, "cited" if numbers else "none", numbers, None)


def _bare(sentence: str) -> str:
    """What of a sentence is embedded: no markers, and of a long block of code its beginning."""
    return _MARKERS.sub("", sentence)[:_LONGEST]
