"""Explains and rewrites code: builds the context, streams the model's answer, makes a diff of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from src.errors import AnswerUnusable, ArchonError, ErrorContext, ProviderTimeout, StreamCut
from src.inference.models import ChatMessage, ChatModel, ChatOptions, Outcome, StreamEnd, TextDelta
from src.search.query import SearchService
from src.settings.connections_settings import named
from src.settings.connections_wire import limits_of
from src.store.search import ChunkHit

from ..loops import LoopWatch, looped_end
from ..neutral import neutralise
from .context import CodeContext, Material, build
from .diff import unified_diff
from .events import AskedAgain, CodeEvent, Done, Explained, Failed, Rewritten, Started, Thought, Token, Used
from .language import language_of
from .prompt import AGAIN, Task
from .reading import Unusable, new_lines
from .relevance import by_relevance, search_text
from .request import CodeRequest, refused

ModelChooser: TypeAlias = Callable[[str | None, str | None], Awaitable[ChatModel]]
"""The chat model of a connection (None: the default one), or another model of its server."""

TEMPERATURE = 0.2
"""Code wants little invention; a connection may say otherwise."""
_ATTEMPTS = 2
_log = structlog.get_logger("archon.agents.code_help")


@dataclass(slots=True)
class _Answer:
    """An answer while it comes in."""

    parts: list[str] = field(default_factory=list)
    end: StreamEnd | None = None

    @property
    def text(self) -> str:
        return "".join(self.parts)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that is known before the model is asked."""

    task: Task
    model: ChatModel
    context: CodeContext
    knowledge_problem: ArchonError | None

    @property
    def options(self) -> ChatOptions:
        limits = limits_of(self.model)
        own = limits.temperature if limits else None
        return ChatOptions(self.context.answer_tokens, TEMPERATURE if own is None else own)

    def started(self) -> Started:
        return Started(self.model.provider, self.model.model, self.context, self.knowledge_problem)


class CodeHelpService:
    """Code help over any chat model. `search` finds passages of the knowledge base where they are wanted."""

    def __init__(self, choose: ModelChooser, search: SearchService) -> None:
        self._choose = choose
        self._search = search

    async def explain(self, request: CodeRequest) -> AsyncGenerator[CodeEvent, None]:
        """The events of an explanation, `start` first and `done` last. Closing the iterator stops the model.

        Raises:
            InvalidInput, NotFound: a value of `request` cannot be used; there is no such connection.
            ContextTooLong: the chosen lines alone are longer than the model's context.
            ConfigurationError, ProviderError, StoreError: the model cannot be asked. Later failures are events.
        """
        prepared = await self._prepare(request, rewrites=False)
        yield prepared.started()
        answer = _Answer()
        # Only here: new code may rightly repeat itself.
        watch = LoopWatch()
        async with aclosing(_ask(prepared.model, prepared.context.messages, prepared.options, answer)) as events:
            async for event in events:
                yield event
                if isinstance(event, Token) and watch.loops(event.text):
                    answer.end = looped_end()
                    break
        end = _end_of(answer)
        error = end.error
        if error is None and end.outcome is Outcome.COMPLETE and not answer.text.strip():
            error = _unusable("The model's answer is empty.")
        if error is None and end.outcome is Outcome.COMPLETE:
            yield Explained(answer.text.strip(), cut=end.finish_reason == "length")
        for last in _last(end, error, prepared.model):
            yield last

    async def rewrite(self, request: CodeRequest) -> AsyncGenerator[CodeEvent, None]:
        """The events of a rewrite; its `result` holds the new text and the diff. Raises as `explain` does.

        An answer without a usable change is asked for once more; then `error` is `answer_unusable`.
        """
        if not request.words.strip():
            raise refused("instruction", "What is to be changed? The instruction is empty.")
        prepared = await self._prepare(request, rewrites=True)
        yield prepared.started()
        messages = prepared.context.messages
        for attempt in range(1, _ATTEMPTS + 1):
            answer = _Answer()
            async with aclosing(_ask(prepared.model, messages, prepared.options, answer)) as events:
                async for event in events:
                    yield event
            end = _end_of(answer)
            outcome = _judge(prepared.task, request, answer, end, attempt)
            if isinstance(outcome, str) and attempt < _ATTEMPTS:
                yield AskedAgain(outcome)
                messages = await _again(prepared, answer.text, outcome)
                continue
            if isinstance(outcome, Rewritten):
                yield outcome
            error = _unusable(f"Asked twice: {outcome}") if isinstance(outcome, str) else end.error
            for last in _last(end, error, prepared.model):
                yield last
            return

    async def _prepare(self, request: CodeRequest, *, rewrites: bool) -> _Prepared:
        selection = request.selection()
        path = request.file.path
        task = Task(path, request.language or language_of(path), selection, request.words, rewrites)
        model = await self._choose(request.connection_id, request.model)
        hits, problem = await self._passages(request)
        others = by_relevance(request.others, path, selection)
        context = await build(Material(task, others, hits), model, request.max_tokens)
        return _Prepared(task, model, context, problem)

    async def _passages(self, request: CodeRequest) -> tuple[tuple[ChunkHit, ...], ArchonError | None]:
        """Passages that may help. Code can be understood without them, so a failed search is told, not raised."""
        if request.passages < 1:
            return (), None
        text = search_text(request.words, request.selection())
        try:
            found = await self._search.search(text, source_ids=request.source_ids, limit=request.passages)
        except ArchonError as error:
            _log.warning("no_passages_for_code", **error.to_dict())
            return (), error
        return found.hits, None


async def _ask(
    model: ChatModel, messages: Sequence[ChatMessage], options: ChatOptions, answer: _Answer
) -> AsyncGenerator[CodeEvent, None]:
    """The model's text as events; how it ended is left in `answer`."""
    async with _asking(model, messages, options, answer) as deltas:
        async for delta in deltas:
            if isinstance(delta, StreamEnd):
                answer.end = delta
            elif delta.reasoning:
                yield Thought(delta.text)
            else:
                answer.parts.append(delta.text)
                yield Token(delta.text)


@asynccontextmanager
async def _asking(
    model: ChatModel, messages: Sequence[ChatMessage], options: ChatOptions, answer: _Answer
) -> AsyncIterator[AsyncIterator[TextDelta | StreamEnd]]:
    """The stream, closed at the end, which is what stops the model; its failure becomes the answer's end."""
    deltas = model.stream(messages, options)
    try:
        yield deltas
    except ArchonError as error:
        outcome = Outcome.STALLED if isinstance(error, ProviderTimeout) else Outcome.UPSTREAM_ERROR
        answer.end = StreamEnd(outcome, None, error=error)
    finally:
        if isinstance(deltas, AsyncGenerator):
            await deltas.aclose()


def _end_of(answer: _Answer) -> StreamEnd:
    cut = StreamCut("The model's stream ended without saying how.")
    return answer.end or StreamEnd(Outcome.UPSTREAM_ERROR, None, error=cut)


def _judge(task: Task, request: CodeRequest, answer: _Answer, end: StreamEnd, attempt: int) -> Rewritten | str | None:
    """The change that the answer makes; why it makes none; None where the answer did not come to its end."""
    if end.outcome is not Outcome.COMPLETE:
        return None
    try:
        lines = new_lines(answer.text, end.finish_reason, task.selection)
    except Unusable as problem:
        return str(problem)
    selection = task.selection
    return Rewritten(
        text="".join(lines),
        file=selection.with_new(lines),
        diff=unified_diff(request.file.path, selection, lines),
        start=selection.start,
        end=selection.end,
        attempts=attempt,
    )


async def _again(prepared: _Prepared, answer: str, reason: str) -> tuple[ChatMessage, ...]:
    """The prompt with what was wrong; the former answer is shown where there is room for it."""
    wish = ChatMessage("user", AGAIN.format(reason=reason, fence=prepared.task.fence))
    asked = prepared.context.messages
    longer = (*asked, ChatMessage("assistant", neutralise(answer)), wish)
    if (
        answer.strip()
        and await prepared.model.count_tokens(longer) + prepared.context.answer_tokens <= prepared.context.length
    ):
        return longer
    *before, last = asked
    return (*before, ChatMessage(last.role, f"{last.content}\n\n{wish.content}"))


def _unusable(message: str) -> AnswerUnusable:
    return AnswerUnusable(message, context=ErrorContext(operation="code help"))


def _last(end: StreamEnd, error: ArchonError | None, model: ChatModel) -> list[CodeEvent]:
    events: list[CodeEvent] = [Used(end.usage)]
    outcome = end.outcome
    if error is not None:
        events.append(Failed(named(error, model)))
        outcome = Outcome.UPSTREAM_ERROR if outcome is Outcome.COMPLETE else outcome
    events.append(Done(outcome, end.finish_reason))
    return events
