"""The knowledge agent: with tools where model and server call them, else in one pass; always with checked citations."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from src.agents import context as contexts
from src.agents import history as histories
from src.agents import support
from src.agents.events import CitationEvent, ErrorEvent, ReasoningEvent, TokenEvent
from src.agents.loops import Looped, looped_end
from src.errors import ArchonError, ProtocolError, ProviderTimeout, StreamCut
from src.inference.models import ChatMessage, ChatOptions, Outcome, StreamEnd, TextDelta
from src.search import question as questions
from src.search.query import EmbedderFactory, SearchService
from src.settings.connections_settings import connection_of, named
from src.store.conversations import PastMessage
from src.store.database import Database
from src.store.search import SearchRepository

from .asked import AgentModel, AgentModelFactory, AgentQuestion
from .desk import Desk
from .events import AgentDone, AgentEvent, StartEvent, Tell, ToolEvent, Way, WayEvent, WayReason
from .meter import Meter
from .relay import relay
from .said import Said

if TYPE_CHECKING:
    from .loop import LoopEnd

_log = structlog.get_logger("archon.agents.knowledge")
_NOT_ENDED = StreamEnd(Outcome.UPSTREAM_ERROR, None)
_ANSWER_SHARE = 4
_ANSWER_MOST = 1024
"""Room kept for what the model writes: a quarter of its context, at most 1,024 tokens."""


@dataclass(slots=True)
class _Run:
    """One question on its way to its answer."""

    asked: AgentQuestion
    question: str
    model: AgentModel
    length: int
    answer_room: int
    desk: Desk
    said: Said = field(default_factory=Said)
    meter: Meter = field(default_factory=Meter)
    way: Way = "tools"
    reason: WayReason | None = None
    end: StreamEnd = _NOT_ENDED
    sentences: list[CitationEvent] = field(default_factory=list)


class KnowledgeAgent:
    """Answers questions by searching and reading the store. Stores nothing: whoever asks keeps what they want."""

    def __init__(
        self,
        database: Database,
        search: SearchService,
        model_factory: AgentModelFactory,
        embedder_factory: EmbedderFactory,
    ) -> None:
        self._database = database
        self._search = search
        self._passages = SearchRepository(database)
        self._model_factory = model_factory
        self._embedder_factory = embedder_factory

    async def answer(self, asked: AgentQuestion, model: AgentModel | None = None) -> AsyncGenerator[AgentEvent, None]:
        """The events of an answer, `start` first and `done` last. Closing the iterator stops the model.

        `model` None is the one that `asked` names. What fails before `start` is raised; later failures come
        as an `error` event.

        Raises:
            InvalidInput, NotFound: a value of `asked` cannot be used; there is no such connection.
            ConfigurationError, ProviderError: the model is not chosen, or its server cannot be asked.
        """
        run = await self._prepare(asked, model)

        async def work(tell: Tell) -> None:
            await self._work(run, tell)

        chat = run.model.chat
        yield StartEvent(chat.provider, chat.model, connection_of(chat))
        async with aclosing(relay(work)) as events:
            async for event in events:
                yield event

    async def _prepare(self, asked: AgentQuestion, model: AgentModel | None) -> _Run:
        asked.check()
        question = questions.clean(asked.message)
        chosen = model or await self._model_factory(asked.connection_id, asked.model)
        asked = asked.within(chosen)
        length = await chosen.chat.max_model_len() or contexts.ASSUMED_LENGTH
        room = min(asked.max_tokens or min(_ANSWER_MOST, length // _ANSWER_SHARE), length // 2)
        desk = Desk(
            self._search,
            self._database,
            chosen.chat,
            source_ids=asked.source_ids,
            match_count=asked.match_count,
            room=length // _ANSWER_SHARE,
        )
        return _Run(asked, question, chosen, length, room, desk)

    async def _work(self, run: _Run, tell: Tell) -> None:
        try:
            await self._answer(run, tell)
        except Looped as looped:
            run.end = looped_end(looped)
            named(looped, run.model.chat)
        except ArchonError as failure:
            run.end = StreamEnd(_outcome(failure), None, error=failure)
        rest = run.said.end(cut=run.end.finish_reason == "length")
        if rest:
            await tell(TokenEvent(rest))
        if run.end.error is None and not run.said.text.strip():
            run.end = replace(run.end, outcome=Outcome.UPSTREAM_ERROR, error=named(_nothing_said(), run.model.chat))
        error = run.end.error or await self._judge(run)
        for sentence in run.sentences:
            await tell(sentence)
        await tell(run.meter.event())
        if error is not None:
            await tell(ErrorEvent(error))
        supported = any(sentence.kind != "none" for sentence in run.sentences)
        end = run.end
        await tell(AgentDone(end.outcome, end.finish_reason, supported, run.said.text, run.way, run.reason))

    async def _answer(self, run: _Run, tell: Tell) -> None:
        """With tools where the provider has them, in one pass where that does not work out."""
        if "tools" not in run.model.active.provider.capabilities:
            run.reason = "no_tool_calling"
        else:
            ended = await self._with_tools(run, tell)
            run.reason = ended.reason
            if ended.reason is None:
                run.end = StreamEnd(Outcome.COMPLETE, ended.finish_reason)
                return
        run.way = "one_pass"
        await tell(WayEvent(run.way, run.reason))
        await self._in_one_pass(run, tell)

    async def _with_tools(self, run: _Run, tell: Tell) -> LoopEnd:
        # Loaded by the first question: pydantic-ai takes a second, which a server's start need not wait for.
        loop = await asyncio.to_thread(importlib.import_module, f"{__package__}.loop")
        work = loop.ToolWork(
            run.asked, run.question, run.model, run.length, run.answer_room, run.desk, run.said, run.meter
        )
        ended: LoopEnd = await loop.run(work, tell)
        return ended

    async def _in_one_pass(self, run: _Run, tell: Tell) -> None:
        """Search where nothing was found yet, then one answer from the passages."""
        search = None if run.desk.shelf.hits else _search_event(run)
        if search is not None:
            await tell(search)
            await run.desk.search_plainly(search.arguments)
        history = [*run.asked.history]
        context = await contexts.build(run.question, history, run.desk.shelf.hits, run.model.chat, run.asked.max_tokens)
        if search is not None:
            summary = f"Passages: {len(context.passages)}" if context.passages else "Nothing was found."
            await tell(replace(search, state="answered", summary=summary, passages=context.passages))
        run.said.begin([passage.number for passage in context.passages])
        options = ChatOptions(max_tokens=context.answer_tokens, temperature=run.asked.sampled_at)
        await _hear(run, run.model.chat.stream(context.messages, options), tell)

    async def _judge(self, run: _Run) -> ArchonError | None:
        """Fill in what supports each sentence; where that cannot be measured, markers alone count."""
        text, markers, passages = run.said.text, run.said.markers, run.desk.shelf.passages
        run.sentences = support.cited(text, markers)
        try:
            embedder = await self._embedder_factory()
            run.sentences = await support.judge(text, markers, passages, run.desk.space, self._passages, embedder)
        except ArchonError as error:
            _log.warning("support_not_measured", **error.to_dict())
            return error
        return None


def _past(messages: tuple[ChatMessage, ...]) -> list[PastMessage]:
    return [PastMessage(message.role, message.content, None) for message in messages]


def _search_event(run: _Run) -> ToolEvent:
    words = histories.to_search(run.question, _past(run.asked.history))
    return ToolEvent("archon-1", "search_knowledge", "called", "archon", arguments=words[:2000])


async def _hear(run: _Run, deltas: AsyncIterator[TextDelta | StreamEnd], tell: Tell) -> None:
    """The model's text and how it ended; the stream is closed at the end, which is what stops the model."""
    run.end = StreamEnd(Outcome.TRUNCATED, None, error=StreamCut("The model's stream ended without saying how."))
    try:
        async for delta in deltas:
            if isinstance(delta, StreamEnd):
                run.end = delta
                run.meter.add(delta.usage)
            elif delta.reasoning:
                await tell(ReasoningEvent(delta.text))
            elif shown := run.said.feed(delta.text):
                run.meter.first()
                await tell(TokenEvent(shown))
    except ArchonError as error:
        raise named(error, run.model.chat) from error.__cause__
    finally:
        if isinstance(deltas, AsyncGenerator):
            await deltas.aclose()
    if run.end.error is not None:
        named(run.end.error, run.model.chat)


def _nothing_said() -> ProtocolError:
    return ProtocolError(
        "The model ended its answer without a word",
        next_step="Ask again in other words, or choose a larger model.",
    )


def _outcome(error: ArchonError) -> Outcome:
    if isinstance(error, ProviderTimeout):
        return Outcome.STALLED
    return Outcome.TRUNCATED if isinstance(error, StreamCut) else Outcome.UPSTREAM_ERROR
