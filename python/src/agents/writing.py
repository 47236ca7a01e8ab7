"""An answer while it comes into being: the model's stream as events, kept as it grows, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import structlog

from src.errors import ArchonError, JsonValue, ProviderTimeout, StoreError, StreamCut
from src.inference.models import ChatModel, Outcome, StreamEnd, TextDelta, Usage
from src.settings.connections_settings import named
from src.store.answers import AnswerRepository, FinishedAnswer, SoFar, Turn

from .events import ChatEvent, CitationEvent, DoneEvent, ErrorEvent, ReasoningEvent, TokenEvent, UsageEvent
from .loops import LoopWatch, looped_end
from .markers import MarkerFilter

KEEP_EVERY_S = 3.0
"""How often what has come so far is stored: a server that is killed loses no more than this."""
_AT_ONCE = 100
"""Answers that are kept by one call."""

_log = structlog.get_logger("archon.agents.writing")
_NOT_ENDED = StreamEnd(Outcome.CANCELLED, None)
"""What is stored of an answer whose reader left: nobody said how it ended."""


@dataclass(slots=True)
class Control:
    """How whoever runs an answer and the answer itself speak: why it is stopped, and what came of it.

    `interrupted` is set before the task is cancelled for another reason than that nobody wants the answer any more.
    """

    interrupted: ArchonError | None = None
    last: tuple[ChatEvent, ...] = ()


@dataclass(slots=True)
class Answer:
    """An answer while it is written. `measured` False: no knowledge was looked for, so nothing is said of support."""

    turn: Turn
    model: ChatModel
    markers: MarkerFilter
    control: Control
    measured: bool = True
    end: StreamEnd = _NOT_ENDED
    reasoning: list[str] = field(default_factory=list)
    support: list[CitationEvent] = field(default_factory=list)
    error: ArchonError | None = None
    earlier_tokens: int = 0
    stored: bool = False
    gone: bool = False

    @property
    def ended(self) -> bool:
        """Whether the model's stream said how it ended."""
        return self.end is not _NOT_ENDED

    def closing(self) -> tuple[ChatEvent, ...]:
        """The events that end the answer."""
        error = () if self.error is None else (ErrorEvent(self.error),)
        supported = any(sentence.kind != "none" for sentence in self.support) if self.measured else None
        done = DoneEvent(
            outcome=self.end.outcome,
            finish_reason=self.end.finish_reason,
            supported=supported,
            answer=self.markers.text,
            message_id=self.turn.answer_id,
            provider=self.model.provider,
            model=self.model.model,
        )
        return (*self.support, usage_event(self.end.usage, self.earlier_tokens), *error, done)

    def so_far(self) -> SoFar:
        """What the store keeps of it while it is written."""
        return SoFar(self.turn.answer_id, self.markers.text, "".join(self.reasoning))

    def finished(self) -> FinishedAnswer:
        """What the store keeps of it."""
        support: list[JsonValue] = [sentence.to_dict() for sentence in self.support]
        return FinishedAnswer(
            content=self.markers.text,
            reasoning="".join(self.reasoning),
            outcome=self.end.outcome.value,
            finish_reason=self.end.finish_reason,
            support=support,
            usage=usage_event(self.end.usage, self.earlier_tokens).to_dict(),
            error=None if self.error is None else self.error.to_dict(),
            provider=self.model.provider,
            model=self.model.model,
        )


async def stream(answer: Answer, deltas: Deltas) -> AsyncGenerator[ChatEvent, None]:
    """The model's text as events; how it ended is left in `answer`. Closing it stops the model."""
    watch = LoopWatch()
    async with _listening(answer, deltas) as found:
        async for delta in found:
            for event in _delta_events(delta, answer):
                yield event
            if answer.gone:
                return
            if isinstance(delta, TextDelta) and not delta.reasoning and watch.loops(delta.text):
                answer.end = looped_end()
                break
    rest = answer.markers.close()
    if rest:
        yield TokenEvent(rest)
    if not answer.ended:
        cut = StreamCut("The model's stream ended without saying how.")
        answer.end = StreamEnd(Outcome.UPSTREAM_ERROR, None, error=cut)
    answer.error = answer.end.error
    if answer.error is not None:
        named(answer.error, answer.model)


class Deltas:
    """The model's stream, asked for at once: its first piece is waited for while the question is being stored."""

    def __init__(self, opened: AsyncIterator[TextDelta | StreamEnd]) -> None:
        self._opened = opened
        self._first: asyncio.Future[TextDelta | StreamEnd | None] | None = asyncio.ensure_future(_next(opened))

    async def __aenter__(self) -> Deltas:
        return self

    async def __aexit__(self, *_failure: object) -> None:
        await self.close()

    def __aiter__(self) -> Deltas:
        return self

    async def __anext__(self) -> TextDelta | StreamEnd:
        first = self._first
        item = await (first if first is not None else _next(self._opened))
        self._first = None
        if item is None:
            raise StopAsyncIteration
        return item

    async def close(self) -> None:
        """Stop the model's work, wherever it is."""
        first, self._first = self._first, None
        if first is not None:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        if isinstance(self._opened, AsyncGenerator):
            await self._opened.aclose()


async def _next(items: AsyncIterator[TextDelta | StreamEnd]) -> TextDelta | StreamEnd | None:
    return await anext(items, None)


@asynccontextmanager
async def _listening(answer: Answer, deltas: Deltas) -> AsyncIterator[AsyncIterator[TextDelta | StreamEnd]]:
    """The stream; closed at the end, which is what stops the model. Its failure becomes the answer's end."""
    try:
        yield deltas
    except ArchonError as error:
        outcome = Outcome.STALLED if isinstance(error, ProviderTimeout) else Outcome.UPSTREAM_ERROR
        answer.end = StreamEnd(outcome, None, error=error)
    finally:
        await deltas.close()


def _delta_events(delta: TextDelta | StreamEnd, answer: Answer) -> list[ChatEvent]:
    if isinstance(delta, StreamEnd):
        answer.end = delta
        return []
    # A NUL is no text to a database.
    piece = delta.text.replace("\x00", "")
    if delta.reasoning:
        answer.reasoning.append(piece)
        return [ReasoningEvent(piece)] if piece else []
    text = answer.markers.feed(piece)
    return [TokenEvent(text)] if text else []


class Keeper:
    """Stores now and then what has come of the answers that are being written, of all of them in one call."""

    def __init__(self, store: AnswerRepository) -> None:
        self._store = store
        self._answers: dict[str, Answer] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def keeping(self, answer: Answer) -> Iterator[None]:
        """Keep `answer` for as long as the block runs; it is `gone` once it cannot be kept any more."""
        self._answers[answer.turn.answer_id] = answer
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep(), name="keep answers")
        try:
            yield
        finally:
            del self._answers[answer.turn.answer_id]
            if not self._answers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            answers = list(self._answers.values())
            for first in range(0, len(answers), _AT_ONCE):
                await self._keep_some(answers[first : first + _AT_ONCE])

    async def _keep_some(self, answers: Sequence[Answer]) -> None:
        try:
            gone = await self._store.keep([one.so_far() for one in answers])
        except StoreError as error:
            # The end is stored all the same, or fails aloud; this is only for a server that is killed before.
            _log.warning("answers_not_kept", **error.to_dict())
            return
        for one in answers:
            one.gone = one.gone or one.turn.answer_id in gone


def usage_event(usage: Usage, earlier_tokens: int = 0) -> UsageEvent:
    """Usage as it is told; `earlier_tokens` are those of an answer that was gone on with."""
    written = usage.completion_tokens
    return UsageEvent(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=None if written is None else written + earlier_tokens,
        first_token_ms=_milliseconds(usage.first_token_s),
        total_ms=_milliseconds(usage.total_s),
        tokens_per_s=_speed(usage),
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _speed(usage: Usage) -> float | None:
    """Tokens a second after the first one, which waits for the prompt."""
    if usage.completion_tokens is None or usage.first_token_s is None or usage.total_s is None:
        return None
    spent = usage.total_s - usage.first_token_s
    return round((usage.completion_tokens - 1) / spent, 1) if spent > 0 and usage.completion_tokens > 1 else None
