"""The embedding stage: passages of many pages gathered into requests, several under way at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from src.errors import (
    ArchonError,
    BadRequest,
    ContextTooLong,
    InvalidInput,
    ProtocolError,
    ProviderError,
    UnsupportedFeature,
)
from src.inference.models import Embedded, Embedder, Vector

from .document import Chunk
from .patience import Patience
from .tokens import DEFAULT_RATIO

BATCH = 32
"""Texts in one request. Larger ones make a person's query wait for their whole length."""
WORKERS = 192
"""Requests offered at once; how many really run at once is the embedder's own decision."""
_FILL_S = 0.02
"""How long a request waits for more texts where the server has nothing to do."""
_FILLS = 10
"""So many times as long it waits while others are under way: it would only stand behind them, half empty."""
SILENCE_S = 2.0
"""A model server that gave nothing for so long may be another by now; none loads weights faster. The embedder's own
tries hide a short outage, and in a pause nothing can fail; the four texts of a proof are little in that time."""
_QUEUE = 8192


@dataclass(frozen=True, slots=True)
class _Passage:
    text: str
    done: asyncio.Future[Vector]


@dataclass(slots=True)
class EmbedStage:
    """Turns passages into vectors; `tell` hears how many. `run` must be under way while `vectors` is awaited."""

    embedder: Embedder
    dimensions: int
    patience: Patience
    tell: Callable[[int], None]
    batch: int = BATCH
    workers: int = WORKERS
    prove: Callable[[], Awaitable[object]] | None = None
    """Sees that the server still gives the vectors of the space: asked after every outage and silence. May raise as
    `run`."""
    silence_s: float = SILENCE_S
    _heard_at: float = field(default_factory=time.monotonic)
    _under_way: int = 0
    _is_doubtful: bool = False
    _proving: asyncio.Lock = field(default_factory=asyncio.Lock)
    _queue: asyncio.Queue[_Passage] = field(default_factory=lambda: asyncio.Queue(_QUEUE))

    async def vectors(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text, same order.

        Raises:
            ContextTooLong, BadRequest, InvalidInput: one of the texts cannot be embedded.
        """
        found: list[Vector] = []
        for outcome in await self.outcomes(texts):
            if isinstance(outcome, ArchonError):
                raise outcome
            found.append(outcome)
        return found

    async def outcomes(self, texts: Sequence[str]) -> list[Vector | ArchonError]:
        """For each text its vector, or why it alone has none; same order."""
        loop = asyncio.get_running_loop()
        passages = [_Passage(text, loop.create_future()) for text in texts]
        for passage in passages:
            await self._queue.put(passage)
        # Waits for all, also when one fails, so that no passage is left behind that nobody asks about.
        await asyncio.wait([passage.done for passage in passages]) if passages else None
        return [passage.done.exception() or passage.done.result() for passage in passages]  # type: ignore[misc]

    async def run(self) -> None:
        """Work until cancelled. One loop gathers, since several that wait would take a page's passages apart.

        Raises:
            ArchonError: the model server cannot be used any more; the whole job has to end.
        """
        places = asyncio.Semaphore(self.workers)
        async with asyncio.TaskGroup() as group:
            while True:
                await places.acquire()
                passages = await self._gather()
                group.create_task(self._work(passages, places))

    async def _work(self, passages: list[_Passage], places: asyncio.Semaphore) -> None:
        self._under_way += 1
        try:
            while passages:
                passages = await self._embed(passages)
        finally:
            self._under_way -= 1
            places.release()

    async def _gather(self) -> list[_Passage]:
        """The next passages: a full request, or what came in the time that one may wait."""
        passages = [await self._queue.get()]
        for _ in range(_FILLS):
            await self._fill(passages)
            if len(passages) == self.batch or not self._under_way:
                break
        return passages

    async def _fill(self, passages: list[_Passage]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_FILL_S):
                while len(passages) < self.batch:
                    passages.append(await self._queue.get())

    async def _embed(self, passages: list[_Passage]) -> list[_Passage]:
        """Embed once; what is left is to be tried again."""
        outcomes = await self.embedder.embed_passages([passage.text for passage in passages])
        try:
            await self._see_that_it_is_the_same(outcomes)
        except ProviderError as error:
            await self.patience.wait(error)
            return passages
        left = [pair for pair in zip(passages, outcomes, strict=True) if not self._settle(*pair)]
        self.tell(sum(outcome.vector is not None for outcome in outcomes))
        if not left:
            self.patience.over()
            return []
        self._is_doubtful = True
        await self.patience.wait(left[-1][1].error or ProtocolError("The model server gave neither vector nor error."))
        return [passage for passage, _ in left]

    async def _see_that_it_is_the_same(self, outcomes: Sequence[Embedded]) -> None:
        """A server that was away may have come back with another model under the same name: seen before a vector of
        its is taken. Raises ConfigurationError, ProviderError, StoreError."""
        if self.prove is None or all(outcome.vector is None for outcome in outcomes):
            return
        self._is_doubtful |= time.monotonic() - self._heard_at > self.silence_s
        self._heard_at = time.monotonic()
        if not self._is_doubtful:
            return
        async with self._proving:
            if self._is_doubtful:
                await self.prove()
                self._is_doubtful = False

    def _settle(self, passage: _Passage, outcome: Embedded) -> bool:
        """Whether the passage has its vector now, or an error that no other try would spare it."""
        if outcome.vector is not None:
            passage.done.set_result(self._checked(outcome.vector))
        elif outcome.error is not None and belongs_to_text(outcome.error):
            passage.done.set_exception(outcome.error)
        return passage.done.done()

    def _checked(self, vector: Vector) -> Vector:
        if len(vector) != self.dimensions:
            raise ProtocolError(
                f"The model server sent a vector of {len(vector)} numbers; this space has {self.dimensions}.",
                next_step="Another model answers under this name. Press Check in Settings.",
            )
        return vector


def belongs_to_text(error: ArchonError) -> bool:
    """Whether an error is about this one text, so that other pages can go on."""
    return isinstance(error, ContextTooLong | BadRequest | InvalidInput) and not isinstance(error, UnsupportedFeature)


@dataclass(slots=True)
class Gauge:
    """Tokens of the model per estimated token. The largest passages of the first pages are counted by the model."""

    embedder: Embedder
    ratio: float = DEFAULT_RATIO
    _highest: float = 0.0
    _counted: int = 0

    @classmethod
    def known(cls, embedder: Embedder, ratio: float) -> Gauge:
        """One that was measured before and is not measured again."""
        return cls(embedder, ratio, _highest=ratio, _counted=cls._ENOUGH)

    _SAMPLE = 16
    _ENOUGH = 64
    _MARGIN = 1.03
    _LOWEST = 0.9

    async def fits(self, chunks: Sequence[Chunk], max_tokens: int) -> bool:
        """Whether the passages fit; False, and a higher ratio, when the document has to be cut anew.

        Raises:
            ConfigurationError, ProviderError: the model server cannot count.
        """
        if self._counted >= self._ENOUGH:
            return True
        largest = sorted(chunks, key=lambda chunk: chunk.estimated_tokens, reverse=True)[: self._SAMPLE]
        counts = await self.embedder.count_tokens([chunk.embedded_text for chunk in largest])
        seen = [count / max(chunk.estimated_tokens, 1) for chunk, count in zip(largest, counts, strict=True)]
        self._counted += len(seen)
        self._highest = max(self._highest, *seen)
        if max(counts) > max_tokens:
            self.raise_ratio()
            return False
        if self._counted >= self._ENOUGH:
            self.ratio = max(self._highest * self._MARGIN, self._LOWEST)
        return True

    def raise_ratio(self) -> None:
        """A passage was longer than thought."""
        self.ratio = max(self._highest, self.ratio) * 1.2
