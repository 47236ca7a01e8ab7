"""A question answered from the store: retrieve, build the context, stream the answer, say what supports it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

import structlog

from src.errors import ArchonError, JsonValue
from src.inference.models import ChatModel, ChatOptions, Outcome, StreamEnd
from src.search.query import EmbedderFactory, SearchService
from src.settings.connections_settings import connection_of
from src.settings.connections_wire import limits_of
from src.store.answers import AnswerRepository, NewTurn, Turn
from src.store.conversations import ConversationRepository
from src.store.database import Database
from src.store.search import Reason, SearchRepository, SearchSpace

from . import context as contexts
from . import history, passages, places, support, writing
from .context import Context, Frame
from .estimates import PromptLengths
from .events import ChatEvent, StartEvent, TokenEvent
from .markers import MarkerFilter
from .naming import Namer
from .places import Place
from .request import AskRequest, title
from .summing import Summariser
from .writing import Answer, Control, Deltas, Keeper

ChatModelFactory: TypeAlias = Callable[[str | None, str | None], Awaitable[ChatModel]]
"""Gives the chat model of a connection (None: of the default one), another model of its server where one is named.

Raises NotFound when there is no such connection, ConfigurationError when it cannot be used.
"""

_log = structlog.get_logger("archon.agents.answer")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that is known before the model is asked."""

    place: Place
    model: ChatModel
    context: Context
    options: ChatOptions
    numbers: tuple[int, ...]
    space: SearchSpace | None
    reason: Reason | None


class AnswerService:
    """Answers questions with passages of the store, and keeps what was asked and answered."""

    def __init__(
        self,
        database: Database,
        search: SearchService,
        chat_model_factory: ChatModelFactory,
        embedder_factory: EmbedderFactory,
        namer: Namer | None = None,
        summariser: Summariser | None = None,
    ) -> None:
        self._conversations = ConversationRepository(database)
        self._answers = AnswerRepository(database)
        self._keeper = Keeper(self._answers)
        self._passages = SearchRepository(database)
        self._search = search
        self._chat_model_factory = chat_model_factory
        self._embedder_factory = embedder_factory
        self._namer = namer
        self._summariser = summariser
        self._lengths = PromptLengths()

    async def ask(self, request: AskRequest, control: Control | None = None) -> AsyncGenerator[ChatEvent, None]:
        """The events of an answer, `start` first and `done` last. Closing the iterator stops the model.

        What fails before `start` is raised and leaves nothing stored; later failures come as an `error` event.
        The question is stored with `start`; what came of the answer is stored however it ends.

        Raises:
            InvalidInput, NotFound: a value of `request` cannot be used; there is no such conversation.
            Conflict: the answer to go on with is being written, or is whole.
            ContextTooLong: the question alone is longer than the model's context.
            ConfigurationError, ProviderError: the models are not chosen, or cannot be asked.
            StoreError: the database failed.
        """
        request.check()
        prepared = await self._prepare(await places.find(request, self._conversations))
        async with self._answering(request, prepared, control or Control()) as (answer, deltas):
            yield _start(prepared, answer.turn)
            if prepared.place.so_far:
                yield TokenEvent(answer.markers.feed(prepared.place.so_far))
            async with aclosing(writing.stream(answer, deltas)) as events:
                async for event in events:
                    yield event
            await self._judge(prepared, answer)
            last = await self._finish(answer)
            self._afterwards(prepared, answer)
            for event in last:
                yield event

    @asynccontextmanager
    async def _answering(
        self, request: AskRequest, prepared: _Prepared, control: Control
    ) -> AsyncIterator[tuple[Answer, Deltas]]:
        """The answer, begun in the store, and the model's stream; what came of it is kept however the block ends."""
        async with Deltas(prepared.model.stream(prepared.context.messages, prepared.options)) as deltas:
            answer = await self._begin(request, prepared, control)
            try:
                with self._keeper.keeping(answer):
                    yield answer, deltas
            finally:
                # The reader left or the task was cancelled: what came is kept, also while we are being torn down.
                if not answer.stored:
                    await deltas.close()
                    await asyncio.shield(asyncio.ensure_future(self._store_torn(answer)))

    async def _prepare(self, place: Place) -> _Prepared:
        settings = place.settings
        model = await self._chat_model_factory(settings.connection_id, settings.model)
        limits = limits_of(model)
        settings.check_length(await model.max_model_len(), limits.max_tokens if limits else None, model.model)
        found = passages.Retrieved()
        if settings.retrieves and place.begun is None:
            query = history.to_search(place.question, place.past)
            found = await passages.find(query, settings, self._search, self._conversations)
        given = place.passages() if place.begun else found.hits
        summary, past = history.since_summary(place.past)
        frame = Frame(settings.system_prompt, settings.retrieves, place.so_far, summary)
        context = await contexts.build(
            place.question,
            history.turns(past),
            given,
            model,
            settings.max_tokens,
            frame=frame,
            lengths=self._lengths,
        )
        context = replace(context, left_out=found.also(context.left_out))
        numbers = tuple(passage.number for passage in (place.passages() if place.begun else context.passages))
        options = ChatOptions(
            max_tokens=context.answer_tokens,
            temperature=settings.sampled_at(limits.temperature if limits else None),
            stop=settings.stop,
            top_p=settings.top_p,
            seed=settings.seed,
            continues=bool(place.so_far),
        )
        return _Prepared(place, model, context, options, numbers, found.space, found.reason)

    async def _begin(self, request: AskRequest, prepared: _Prepared, control: Control) -> Answer:
        place = prepared.place
        turn = await (self._resume(prepared) if place.begun else self._answers.begin(_new_turn(request, prepared)))
        before = place.begun.usage if place.begun else None
        tokens = before.get("completion_tokens") if before else None
        return Answer(
            turn,
            prepared.model,
            MarkerFilter(prepared.numbers),
            control,
            measured=place.settings.retrieves,
            reasoning=[place.begun.reasoning] if place.begun else [],
            earlier_tokens=tokens if isinstance(tokens, int) else 0,
        )

    async def _resume(self, prepared: _Prepared) -> Turn:
        begun, model = prepared.place.begun, prepared.model
        assert begun is not None  # noqa: S101 - asked for only then
        return await self._answers.resume(begun.id, model.provider, model.model, connection_of(model))

    async def _judge(self, prepared: _Prepared, answer: Answer) -> None:
        """Fill in what supports each sentence; where that cannot be measured, markers alone count."""
        if not answer.measured or answer.gone:
            return
        text, markers = answer.markers.text, answer.markers.markers
        answer.support = support.cited(text, markers)
        shown = prepared.place.passages() if prepared.place.begun else prepared.context.passages
        try:
            space = prepared.space or await self._space_of(prepared)
            embedder = await self._embedder_factory()
            answer.support = await support.judge(text, markers, shown, space, self._passages, embedder)
        except ArchonError as error:
            _log.warning("support_not_measured", **error.to_dict())
            answer.error = answer.error or error

    async def _space_of(self, prepared: _Prepared) -> SearchSpace | None:
        """The space of the embedder in use, where nothing was searched: passages were pinned, or there already."""
        if not prepared.numbers:
            return None
        identity = await (await self._embedder_factory()).identity()
        return await self._passages.space(
            model=identity.model,
            dimensions=identity.dimensions,
            normalised=identity.normalised,
            query_prefix=identity.query_prefix,
            passage_prefix=identity.passage_prefix,
        )

    async def _finish(self, answer: Answer) -> tuple[ChatEvent, ...]:
        """Store the answer and give the events that end it."""
        try:
            await self._answers.end(answer.turn.answer_id, answer.finished())
        except ArchonError as error:
            _log.warning("answer_not_stored", **error.to_dict())
            answer.error = answer.error or error
        answer.stored = True
        return answer.closing()

    def _afterwards(self, prepared: _Prepared, answer: Answer) -> None:
        """Let a conversation that has just begun be named, and a long one be summed up."""
        if answer.end.outcome is not Outcome.COMPLETE:
            return
        place, model = prepared.place, prepared.model
        if self._namer and place.conversation_id is None:
            self._namer.name(answer.turn.conversation_id, place.question, answer.markers.text, model)
        if self._summariser:
            _, past = history.since_summary(place.past)
            self._summariser.look(answer.turn, past, answer.markers.text, prepared.context.length, model)

    async def _store_torn(self, answer: Answer) -> None:
        """Keep what came of an answer that was broken off from our side."""
        answer.markers.close()
        if answer.control.interrupted is not None:
            answer.error = answer.control.interrupted
            answer.end = StreamEnd(Outcome.TRUNCATED, None, answer.end.usage, answer.error)
        answer.control.last = await self._finish(answer)


def _new_turn(request: AskRequest, prepared: _Prepared) -> NewTurn:
    place, context = prepared.place, prepared.context
    notes: dict[str, JsonValue] = {
        "knowledge": place.settings.retrieves,
        "reason": prepared.reason,
        "left_out": context.left_out.to_dict(),
    }
    return NewTurn(
        conversation_id=place.conversation_id,
        title=title(place.question),
        question=place.question,
        provider=prepared.model.provider,
        model=prepared.model.model,
        passages=[passage.to_dict() for passage in context.passages],
        after=request.after,
        edits=request.edits,
        answers=request.answers,
        connection_id=connection_of(prepared.model),
        notes=notes,
        settings=place.settings.to_dict(),
    )


def _start(prepared: _Prepared, turn: Turn) -> StartEvent:
    place = prepared.place
    return StartEvent(
        conversation_id=turn.conversation_id,
        message_id=turn.answer_id,
        provider=prepared.model.provider,
        model=prepared.model.model,
        passages=place.passages() if place.begun else prepared.context.passages,
        left_out=prepared.context.left_out,
        reason=prepared.reason,
        question_id=turn.question_id,
        connection_id=connection_of(prepared.model),
        knowledge=place.settings.retrieves,
        resumed=place.begun is not None,
    )
