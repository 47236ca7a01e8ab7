"""The stage before embedding, where it is wanted: a chat model tells of each passage where it stands in its document.

What was answered once is kept by content, so that a restart goes on where it was. A model that is away is waited for; a
passage that it alone has trouble with is embedded without, and the result names it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from src.errors import (
    AnswerUnusable,
    ArchonError,
    BadRequest,
    ConfigurationError,
    ContextTooLong,
    Overloaded,
    ProtocolError,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    UnsupportedFeature,
)
from src.inference.models import ChatModel
from src.inference.pacing import Pacing
from src.inference.together import together
from src.store import situations
from src.store.database import Database
from src.store.situations import Place

from .document import Chunk, Document
from .patience import Patience
from .situation import ANSWER_TOKENS, ASSUMED_LENGTH, PROMPT, ROOMY_TOKENS, Sight, ask, sights_of, within
from .tokens import estimate

_ROOM_TOKENS = 100
_ROOM_SHARE = 5
_TRIES = 3
_SHARES = (1.0, 0.5, 0.0)
"""How much of the document is shown at each try: what was too long, or brought nothing, is asked more briefly."""
_PLAIN = Sight("", "", 0, Chunk("The sun rises in the east.", (), "", 6, None))
"""What any model can be asked, to see whether it answers."""
_ALL_FAILED = 8
"""Passages in a row that a model says nothing of before it is taken for the wrong model."""


def room_for(max_tokens: int) -> int:
    """Tokens that a passage leaves to what is said of it, of the `max_tokens` of the embedding model."""
    return min(_ROOM_TOKENS, max_tokens // _ROOM_SHARE)


@dataclass(slots=True)
class Narrator:
    """A chat model that tells where passages stand; all jobs of a process share it.

    At most `at_once` requests are under way, fewer where answers get slower by that, so that people who chat with the
    same server come first.
    """

    chat: ChatModel
    at_once: int
    pacing: Pacing = field(init=False)
    documents: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.pacing = Pacing(floor=1, ceiling=self.at_once)
        # Passages of few documents at a time: their common beginnings then stay in the server's cache.
        self.documents = asyncio.Semaphore(self.at_once)

    async def tell(self, sight: Sight, *, max_tokens: int) -> str:
        """What the model says of a passage. Raises as `situation.ask` does."""
        async with self.pacing.slot():
            begun = time.monotonic()
            try:
                said = await ask(self.chat, sight, max_tokens=max_tokens)
            except (Overloaded, RateLimited):
                self.pacing.pushed_back()
                raise
            self.pacing.answered(time.monotonic() - begun, len(said))
            return said


NarratorFactory = Callable[[], Awaitable[Narrator | None]]
"""Who tells where passages stand; None where nobody wants that. Raises ConfigurationError, StoreError."""


@dataclass(frozen=True, slots=True)
class Situated:
    """A document whose passages know their place. `reasons`: why some do not, one for each of them."""

    document: Document
    reasons: tuple[ArchonError, ...] = ()


@dataclass(slots=True)
class Situating:
    """The stage of one job. `tell` hears of how many passages it is known; `room` is tokens of the embedding model."""

    database: Database
    narrator: Narrator
    patience: Patience
    tell: Callable[[int], None]
    room: int
    _length: int | None = None
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _max_tokens: int = ANSWER_TOKENS
    _answered: int = 0
    _failed_in_a_row: int = 0

    @property
    def model(self) -> str:
        """The chat model's name on its server."""
        return self.narrator.chat.model

    async def situated(self, document: Document, *, ratio: float) -> Situated:
        """The document with the place of each passage; `ratio` is tokens per estimated token.

        A document of one passage has no place to tell and stays as it is.

        Raises:
            ConfigurationError, ProviderError: the model cannot be used, or was away for too long.
            StoreError: what was said cannot be read or kept.
        """
        if len(document.chunks) < 2:
            self.tell(len(document.chunks))
            return Situated(document)
        # In a thread: of a thick book, this takes seconds.
        sights, places = await asyncio.to_thread(_seen, document, await self._model_len())
        said = await self._said(places, sights)
        texts = [_fitting(said[place], int(self.room / ratio)) for place in places]
        reasons = tuple(text for text in texts if isinstance(text, ArchonError))
        chunks = tuple(
            chunk
            if isinstance(text, ArchonError)
            else replace(chunk, situation=text, estimated_tokens=chunk.estimated_tokens + estimate(text))
            for chunk, text in zip(document.chunks, texts, strict=True)
        )
        return Situated(replace(document, chunks=chunks), reasons)

    async def _model_len(self) -> int:
        """Asked when the first passage needs it: a visit that finds nothing new needs no chat server."""
        async with self._asking:
            while self._length is None:
                try:
                    self._length = await self.narrator.chat.max_model_len() or ASSUMED_LENGTH
                    self.patience.over()
                except ConfigurationError as error:
                    raise _unusable(error) from error  # none is chosen, and several are served
                except ProviderError as error:
                    await self.patience.wait(error)
            return self._length

    async def _said(self, places: Sequence[Place], sights: Sequence[Sight]) -> dict[Place, str | ArchonError]:
        known = await situations.known(self.database, places, model=self.model, prompt=PROMPT)
        self.tell(sum(place in known for place in places))
        self._answered += len(known)
        said: dict[Place, str | ArchonError] = {**known}
        unknown = {place: sight for place, sight in zip(places, sights, strict=True) if place not in known}
        if unknown:
            async with self.narrator.documents:
                said.update(await self._asked(unknown))
        self.tell(sum(place not in known for place in places) - len(unknown))
        return said

    async def _asked(self, unknown: dict[Place, Sight]) -> dict[Place, str | ArchonError]:
        """The first passage of each window goes alone: then the window is in the server's cache for the others."""
        said: dict[Place, str | ArchonError] = {}
        windows: dict[str, list[Place]] = {}
        for place in unknown:
            windows.setdefault(place.document, []).append(place)
        for first, *others in windows.values():
            said[first] = await self._one((first, unknown[first]))
            pairs = [(place, unknown[place]) for place in others]
            outcomes = await together(self._one, pairs, at_once=self.narrator.at_once)
            said.update(zip(others, outcomes, strict=True))
        return said

    async def _one(self, placed: tuple[Place, Sight]) -> str | ArchonError:
        """What is said of one passage, kept; or why it alone has nothing."""
        place, sight = placed
        said = await self._patiently(sight)
        if isinstance(said, ArchonError):
            self._failed_in_a_row += 1
            self._require_some(said)
        else:
            self._failed_in_a_row = 0
            await situations.keep(self.database, place, said, model=self.model, prompt=PROMPT)
        self.tell(1)
        return said

    async def _patiently(self, sight: Sight) -> str | ArchonError:
        failed, own = 0, 0
        while own < _TRIES:
            try:
                said = await self.narrator.tell(sight.narrowed(_SHARES[own]), max_tokens=self._max_tokens)
            except ArchonError as error:
                reason, failed = error, failed + 1
                if isinstance(error, AnswerUnusable):
                    self._max_tokens = ROOMY_TOKENS
                if is_own(error) or (failed > 1 and await self._is_alone_with(error)):
                    own += 1
                else:
                    await self.patience.wait(error)
                continue
            self._answered += 1
            self.patience.over()
            return said
        return reason

    async def _is_alone_with(self, error: ArchonError) -> bool:
        """Whether a passage has trouble that another one has not: then waiting does not help it."""
        if not error.retryable or isinstance(error, Overloaded | RateLimited):
            return False
        try:
            await self.narrator.tell(_PLAIN, max_tokens=ANSWER_TOKENS)
        except AnswerUnusable:
            pass  # it answered
        except ArchonError:
            return False
        self.patience.over()
        return True

    def _require_some(self, error: ArchonError) -> None:
        if self._answered or self._failed_in_a_row < _ALL_FAILED:
            return
        raise ConfigurationError(
            f"The chat model '{self.model}' said nothing usable of the first {_ALL_FAILED} passages: {error.message}",
            next_step="Choose another chat model in Settings, or switch contextual embeddings off.",
        ) from error


def _seen(document: Document, max_model_len: int) -> tuple[list[Sight], list[Place]]:
    sights = sights_of(document, max_model_len=max_model_len)
    return sights, [sight.place for sight in sights]


def _fitting(said: str | ArchonError, room: int) -> str | ArchonError:
    if isinstance(said, ArchonError):
        return said
    return within(said, room) or AnswerUnusable("What the chat model said is one word that is too long.")


def is_own(error: ArchonError) -> bool:
    """Whether an error is this one passage's: asking for another one may well succeed."""
    if isinstance(error, UnsupportedFeature):
        return False
    if isinstance(error, ProviderTimeout):
        return not error.retryable  # it began to answer
    return isinstance(error, ContextTooLong | BadRequest | ProtocolError | AnswerUnusable)


def _unusable(error: ConfigurationError) -> ConfigurationError:
    return ConfigurationError(
        f"Contextual embeddings are switched on, and the chat model cannot be used: {error.message}",
        next_step=f"{error.next_step} Or switch contextual embeddings off in Settings.",
        context=error.context,
    )


async def open_situating(
    database: Database,
    factory: NarratorFactory | None,
    *,
    patience: Patience,
    tell: Callable[[int], None],
    max_tokens: int,
) -> Situating | None:
    """The stage, where somebody wants it; `max_tokens` are those of the embedding model.

    Raises:
        ConfigurationError: it is wanted, and no chat model can be used.
        StoreError: the settings cannot be read.
    """
    try:
        narrator = await factory() if factory is not None else None
    except ConfigurationError as error:
        raise _unusable(error) from error
    return None if narrator is None else Situating(database, narrator, patience, tell, room_for(max_tokens))
