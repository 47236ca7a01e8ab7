"""A question answered from the store: retrieve, build the context, stream the answer, say what supports it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from src.errors import ArchonError, JsonValue, ProviderTimeout, StreamCut
from src.inference.models import ChatModel, ChatOptions, Outcome, StreamEnd, TextDelta, Usage
from src.search import question as questions
from src.search.query import EmbedderFactory, SearchService
from src.store.conversations import ConversationRepository, FinishedAnswer, NewTurn, PastMessage, Turn
from src.store.database import Database
from src.store.search import Reason, SearchRepository, SearchSpace

from . import context as contexts
from . import history, support
from .context import Context
from .events import (
    ChatEvent,
    CitationEvent,
    DoneEvent,
    ErrorEvent,
    ReasoningEvent,
    StartEvent,
    TokenEvent,
    UsageEvent,
)
from .markers import MarkerFilter
from .request import AskRequest, title

ChatModelFactory: TypeAlias = Callable[[], Awaitable[ChatModel]]
"""Gives the chat model of the settings in force; raises ConfigurationError when they name none."""

_log = structlog.get_logger("archon.agents.answer")


_NOT_ENDED = StreamEnd(Outcome.CANCELLED, None)
"""What is stored of an answer whose reader left: nobody said how it ended."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that is known before the model is asked."""

    question: str
    model: ChatModel
    context: Context
    options: ChatOptions
    space: SearchSpace | None
    reason: Reason | None


@dataclass(slots=True)
class _Answer:
    """An answer while it comes into being."""

    turn: Turn
    markers: MarkerFilter
    end: StreamEnd = _NOT_ENDED
    support: list[CitationEvent] = field(default_factory=list)
    error: ArchonError | None = None
    stored: bool = False


class AnswerService:
    """Answers questions with passages of the store, and keeps what was asked and answered."""

    def __init__(
        self,
        database: Database,
        search: SearchService,
        chat_model_factory: ChatModelFactory,
        embedder_factory: EmbedderFactory,
    ) -> None:
        self._conversations = ConversationRepository(database)
        self._passages = SearchRepository(database)
        self._search = search
        self._chat_model_factory = chat_model_factory
        self._embedder_factory = embedder_factory

    async def ask(self, request: AskRequest) -> AsyncGenerator[ChatEvent, None]:
        """The events of an answer, `start` first and `done` last. Closing the iterator stops the model.

        What fails before `start` is raised and leaves nothing stored; later failures come as an `error` event.
        The question is stored with `start`; what came of the answer is stored however it ends.

        Raises:
            InvalidInput, NotFound: a value of `request` cannot be used; there is no such conversation.
            ContextTooLong: the question alone is longer than the model's context.
            ConfigurationError, ProviderError: the models are not chosen, or cannot be asked.
            StoreError: the database failed.
        """
        prepared = await self._prepare(request)
        answer = await self._begin(request, prepared)
        try:
            yield _start(prepared, answer.turn)
            async with aclosing(_stream(prepared, answer)) as events:
                async for event in events:
                    yield event
            await self._judge(prepared, answer)
            for event in await self._finish(answer):
                yield event
        finally:
            # The reader left or the task was cancelled: what came is kept, also while we are being torn down.
            if not answer.stored:
                await asyncio.shield(asyncio.ensure_future(self._store_or_log(answer)))

    async def _prepare(self, request: AskRequest) -> _Prepared:
        request.check()
        question = questions.clean(request.message)
        past: list[PastMessage] = []
        if request.conversation_id is not None:
            past = await self._conversations.tail(request.conversation_id, history.MESSAGES)
        model = await self._chat_model_factory()
        found = await self._search.search(
            history.to_search(question, past), source_ids=request.source_ids, limit=request.match_count
        )
        context = await contexts.build(question, history.turns(past), found.hits, model, request.max_tokens)
        options = ChatOptions(max_tokens=context.answer_tokens, temperature=request.sampled_at)
        return _Prepared(question, model, context, options, found.space, found.reason)

    async def _begin(self, request: AskRequest, prepared: _Prepared) -> _Answer:
        turn = await self._conversations.begin(
            NewTurn(
                conversation_id=request.conversation_id,
                title=title(prepared.question),
                question=prepared.question,
                provider=prepared.model.provider,
                model=prepared.model.model,
                passages=[passage.to_dict() for passage in prepared.context.passages],
            )
        )
        return _Answer(turn, MarkerFilter([passage.number for passage in prepared.context.passages]))

    async def _judge(self, prepared: _Prepared, answer: _Answer) -> None:
        """Fill in what supports each sentence; where that cannot be measured, markers alone count."""
        text, markers = answer.markers.text, answer.markers.markers
        answer.support = support.cited(text, markers)
        try:
            answer.support = await support.judge(
                text,
                markers,
                prepared.context.passages,
                prepared.space,
                self._passages,
                await self._embedder_factory(),
            )
        except ArchonError as error:
            _log.warning("support_not_measured", **error.to_dict())
            answer.error = answer.error or error

    async def _finish(self, answer: _Answer) -> list[ChatEvent]:
        """Store the answer and give the events that end it."""
        try:
            await self._store(answer)
        except ArchonError as error:
            _log.warning("answer_not_stored", **error.to_dict())
            answer.error = answer.error or error
            answer.stored = True
        events: list[ChatEvent] = [*answer.support, _usage(answer.end.usage)]
        if answer.error is not None:
            events.append(ErrorEvent(answer.error))
        events.append(
            DoneEvent(
                outcome=answer.end.outcome,
                finish_reason=answer.end.finish_reason,
                supported=any(sentence.kind != "none" for sentence in answer.support),
                answer=answer.markers.text,
                message_id=answer.turn.answer_id,
            )
        )
        return events

    async def _store(self, answer: _Answer) -> None:
        support_json: list[JsonValue] = [sentence.to_dict() for sentence in answer.support]
        finished = FinishedAnswer(
            content=answer.markers.text,
            outcome=answer.end.outcome.value,
            support=support_json,
            usage=_usage(answer.end.usage).to_dict(),
            error=None if answer.error is None else answer.error.to_dict(),
        )
        await self._conversations.end(answer.turn.answer_id, finished)
        answer.stored = True

    async def _store_or_log(self, answer: _Answer) -> None:
        answer.markers.close()
        try:
            await self._store(answer)
        except ArchonError as error:
            _log.warning("answer_not_stored", **error.to_dict())


async def _stream(prepared: _Prepared, answer: _Answer) -> AsyncGenerator[ChatEvent, None]:
    """The model's text as events; how it ended is left in `answer`."""
    async with _asking(prepared, answer) as deltas:
        async for delta in deltas:
            if isinstance(delta, StreamEnd):
                answer.end = delta
            for event in _delta_events(delta, answer.markers):
                yield event
    rest = answer.markers.close()
    if rest:
        yield TokenEvent(rest)
    if answer.end is _NOT_ENDED:
        cut = StreamCut("The model's stream ended without saying how.")
        answer.end = StreamEnd(Outcome.UPSTREAM_ERROR, None, error=cut)
    answer.error = answer.end.error


@asynccontextmanager
async def _asking(prepared: _Prepared, answer: _Answer) -> AsyncIterator[AsyncIterator[TextDelta | StreamEnd]]:
    """The model's stream; closed at the end, which is what stops the model. Its failure becomes the answer's end."""
    deltas = prepared.model.stream(prepared.context.messages, prepared.options)
    try:
        yield deltas
    except ArchonError as error:
        outcome = Outcome.STALLED if isinstance(error, ProviderTimeout) else Outcome.UPSTREAM_ERROR
        answer.end = StreamEnd(outcome, None, error=error)
    finally:
        if isinstance(deltas, AsyncGenerator):
            await deltas.aclose()


def _delta_events(delta: TextDelta | StreamEnd, markers: MarkerFilter) -> list[ChatEvent]:
    if isinstance(delta, StreamEnd):
        return []
    if delta.reasoning:
        return [ReasoningEvent(delta.text)] if delta.text else []
    text = markers.feed(delta.text)
    return [TokenEvent(text)] if text else []


def _start(prepared: _Prepared, turn: Turn) -> StartEvent:
    return StartEvent(
        conversation_id=turn.conversation_id,
        message_id=turn.answer_id,
        provider=prepared.model.provider,
        model=prepared.model.model,
        passages=prepared.context.passages,
        left_out=prepared.context.left_out,
        reason=prepared.reason,
    )


def _usage(usage: Usage) -> UsageEvent:
    return UsageEvent(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
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
