"""The passages of one run: numbered once, shown as far as the model's context has room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.agents.events import Passage
from src.agents.neutral import neutralise
from src.inference.models import ChatMessage, ChatModel
from src.store.search import ChunkHit

_SHORTEST_CUT = 200
"""A passage cut to fewer characters says nothing; then it is left out."""
_CAREFUL = 0.95
"""Tokens are not spread evenly over a text: of what would fit by its average, this much is taken."""
_FRAME = 60
"""Characters around a passage: its number and where it is from."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a tool answers: `text` for the model, `passages` that are new to it, `left_out` for want of room."""

    text: str
    passages: tuple[Passage, ...] = ()
    left_out: int = 0


class Shelf:
    """Passages in the order they were found; a number stays with its passage for the whole run."""

    def __init__(self) -> None:
        self._hits: list[ChunkHit] = []
        self._passages: list[Passage] = []
        self._numbers: dict[int, int] = {}

    @property
    def passages(self) -> tuple[Passage, ...]:
        """Every passage the model was shown, as it was shown."""
        return tuple(self._passages)

    @property
    def hits(self) -> tuple[ChunkHit, ...]:
        """The same as they were found; the first has number 1."""
        return tuple(self._hits)

    @property
    def numbers(self) -> range:
        """The numbers in use."""
        return range(1, len(self._passages) + 1)

    def hit(self, number: int) -> ChunkHit | None:
        """What stands under `number`."""
        return self._hits[number - 1] if number in self.numbers else None

    def take(self, hits: Sequence[ChunkHit]) -> None:
        """Put `hits` on the shelf as they are."""
        for hit in hits:
            if hit.id not in self._numbers:
                self._put(hit, hit.content)

    async def show(self, hits: Sequence[ChunkHit], chat: ChatModel, room: int) -> Shown:
        """Put `hits` on the shelf as far as they fit into `room` tokens; those already there are only named.

        Raises:
            ConfigurationError, ProviderError: the model server cannot be asked for its counting.
        """
        fresh = [hit for hit in hits if hit.id not in self._numbers]
        known = [f"[{self._numbers[hit.id]}]" for hit in hits if hit.id in self._numbers]
        shown, characters = [], await _characters(fresh, chat, room)
        for hit in fresh:
            text = _cut(hit.content, characters)
            if text is None:
                break
            characters -= len(text) + _FRAME
            shown.append(self._put(hit, text))
        parts = [quote(passage) for passage in shown]
        if known:
            parts.append(f"Already shown above: {', '.join(dict.fromkeys(known))}.")
        return Shown("\n\n".join(parts), tuple(shown), len(fresh) - len(shown))

    def _put(self, hit: ChunkHit, text: str) -> Passage:
        number = len(self._passages) + 1
        passage = Passage(
            number=number,
            chunk_id=hit.id,
            source_id=hit.source_id,
            page_id=hit.page_id,
            url=hit.url,
            title=hit.title,
            heading_path=hit.heading_path,
            text=text,
            similarity=hit.similarity,
            page_number=hit.page_number,
        )
        self._numbers[hit.id] = number
        self._hits.append(hit)
        self._passages.append(passage)
        return passage


def quote(passage: Passage) -> str:
    """A passage as the model reads it: quoted material that cannot leave its frame."""
    origin = " > ".join(part for part in (passage.title, *passage.heading_path) if part)
    origin = one_line(origin)[:200]
    return f'<passage number="{passage.number}" from="{origin}">\n{neutralise(passage.text)}\n</passage>'


def one_line(text: str) -> str:
    """Text of others for the inside of an attribute or a list: neutral, on one line, without quotes."""
    return " ".join(neutralise(text).replace('"', "'").split())


async def _characters(hits: Sequence[ChunkHit], chat: ChatModel, room: int) -> int:
    """How many characters of `hits` fit into `room` tokens."""
    whole = "\n\n".join(neutralise(hit.content) for hit in hits)
    length = len(whole) + _FRAME * len(hits)
    if not whole or room <= 0:
        return 0
    tokens = await chat.count_tokens([ChatMessage("user", whole)]) + _FRAME // 3 * len(hits)
    return length if tokens <= room else int(length * room / tokens * _CAREFUL)


def _cut(text: str, characters: int) -> str | None:
    if len(text) + _FRAME <= characters:
        return text
    room = characters - _FRAME
    return text[:room] if room >= _SHORTEST_CUT else None
