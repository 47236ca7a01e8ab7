"""Code help: explain and rewrite, whole or streamed. A model server's trouble is 503, its time-outs 504."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from src.agents.code_help.events import AskedAgain, CodeEvent, Done, Explained, Failed, Rewritten, Started, Used
from src.agents.code_help.request import MAX_FILES, MAX_PASSAGES, MAX_TEXT, MAX_WORDS, CodeFile, CodeRequest
from src.errors import (
    AnswerUnusable,
    ArchonError,
    ErrorContext,
    JsonValue,
    ProviderError,
    ProviderTimeout,
)

from ..errors_http import unexpected
from ..request_parts import InRooms, Stopping, answer
from ..sse import EventStream, ServerEvent
from .bodies import Name

router = APIRouter(prefix="/api/ai")
_log = structlog.get_logger("archon.server.ai")
_TROUBLE = (500, 502, 503)


def _encodable(text: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("it holds half of a surrogate pair")
    return text


Path = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_encodable)]
Code = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(_encodable)]
Words = Annotated[str, StringConstraints(max_length=MAX_WORDS), AfterValidator(_encodable)]


class FileBody(BaseModel):
    """A text file."""

    path: Path
    text: Code


class LinesBody(BaseModel):
    """Lines from 1, both included; `end` null: to the last one."""

    start: int = Field(default=1, ge=1)
    end: int | None = Field(default=None, ge=1)


class ExplainBody(BaseModel):
    """POST /api/ai/explain: what is asked of lines of a file."""

    path: Path
    text: Code
    selection: LinesBody = LinesBody()
    language: Name | None = None
    question: Words = ""
    files: Annotated[list[FileBody], Field(max_length=MAX_FILES)] = []
    passages: int = Field(default=0, ge=0, le=MAX_PASSAGES)
    source_ids: Annotated[list[Name], Field(max_length=1000)] = []
    connection_id: Name | None = None
    model: Name | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)

    def asked(self, words: str) -> CodeRequest:
        """As the room takes it."""
        return CodeRequest(
            file=CodeFile(self.path, self.text),
            words=words,
            start=self.selection.start,
            end=self.selection.end,
            language=self.language,
            others=tuple(CodeFile(one.path, one.text) for one in self.files),
            passages=self.passages,
            source_ids=tuple(self.source_ids),
            connection_id=self.connection_id,
            model=self.model,
            max_tokens=self.max_tokens,
        )


class RewriteBody(ExplainBody):
    """POST /api/ai/rewrite."""

    instruction: Words


class Trouble(ArchonError):
    """What callers see of a model server's trouble: its kind and what to do. The particulars are in the log."""

    http_status = 503

    def __init__(self, cause: ProviderError) -> None:
        seen = cause.context
        context = ErrorContext(
            provider=seen.provider,
            connection=seen.connection,
            operation=seen.operation,
            model=seen.model,
            retry_after_s=seen.retry_after_s,
        )
        super().__init__(cause.meaning, next_step=cause.next_step, context=context)
        self._cause = cause

    def to_dict(self) -> dict[str, JsonValue]:
        return super().to_dict() | {"code": self._cause.code, "retryable": self._cause.retryable}


class LateTrouble(Trouble):
    """A time-out of a model server."""

    http_status = 504


@dataclass(frozen=True, slots=True)
class Ending(ServerEvent):
    """The last event, and after it the mark that readers of OpenAI's streams wait for."""

    def encode(self) -> bytes:
        """The event and the mark on the wire."""
        return ServerEvent.encode(self) + b"data: [DONE]\n\n"


@router.post("/explain")
async def explain(body: ExplainBody, request: Request, rooms: InRooms) -> JSONResponse:
    """Explain lines of a file."""
    return answer(await _whole(rooms.code_help.explain(body.asked(body.question)), request))


@router.post("/explain/stream", response_class=EventStream, status_code=200)
async def explain_stream(body: ExplainBody, request: Request, rooms: InRooms, stopping: Stopping) -> EventStream:
    """Explain lines of a file as the words come."""
    return _stream(rooms.code_help.explain(body.asked(body.question)), request, stopping)


@router.post("/rewrite")
async def rewrite(body: RewriteBody, request: Request, rooms: InRooms) -> JSONResponse:
    """Rewrite lines of a file: the new text and a diff."""
    return answer(await _whole(rooms.code_help.rewrite(body.asked(body.instruction)), request))


@router.post("/rewrite/stream", response_class=EventStream, status_code=200)
async def rewrite_stream(body: RewriteBody, request: Request, rooms: InRooms, stopping: Stopping) -> EventStream:
    """Rewrite lines of a file; the new text and the diff come at the end."""
    return _stream(rooms.code_help.rewrite(body.asked(body.instruction)), request, stopping)


async def _whole(asked: AsyncGenerator[CodeEvent, None], request: Request) -> dict[str, JsonValue]:
    """All events as one body. Raises what came as an error."""
    body: dict[str, JsonValue] = {}
    try:
        async with aclosing(asked) as events:
            async for event in events:
                body |= _part(event)
    except ProviderError as error:
        raise _public(error, request) from error
    return body


def _part(event: CodeEvent) -> dict[str, JsonValue]:
    """What an event adds to a whole answer. Raises the error that it carries."""
    if isinstance(event, Failed):
        raise event.error
    if isinstance(event, Used):
        return {"usage": event.to_dict()}
    return event.to_dict() if isinstance(event, Started | Explained | Rewritten | Done) else {}


def _stream(asked: AsyncGenerator[CodeEvent, None], request: Request, stopping: Stopping) -> EventStream:
    farewell = Ending("done", {"outcome": "cancelled", "finish_reason": None})
    return EventStream(_events(asked, request), stopping, farewell=farewell)


async def _events(asked: AsyncGenerator[CodeEvent, None], request: Request) -> AsyncGenerator[ServerEvent, None]:
    """The events on the wire; once begun, they end with `done` and the mark, whatever happens."""
    started = done = False
    error: ArchonError | None = None
    try:
        async with aclosing(asked) as events:
            async for event in events:
                started, done = True, isinstance(event, Done)
                yield _wire(event, request)
    except ArchonError as failure:
        error = _public(failure, request)
        if not started:
            raise error from failure
    except Exception:  # the request edge: a reader that waits for `done` must get it
        if not started:
            raise
        _log.exception("code help failed")
        error = unexpected(str(request.state.request_id))
    if done:
        return
    if error is not None:
        yield ServerEvent("error", error.to_dict())
    yield Ending("done", {"outcome": "upstream_error", "finish_reason": None})


def _wire(event: CodeEvent, request: Request) -> ServerEvent:
    if isinstance(event, Done):
        return Ending(event.name, event.to_dict())
    if isinstance(event, Failed):
        return ServerEvent(event.name, _public(event.error, request).to_dict())
    if isinstance(event, AskedAgain):
        _log.info("code_help_asked_again", reason=event.reason, request_id=str(request.state.request_id))
    return ServerEvent(event.name, event.to_dict())


def _public(error: ArchonError, request: Request) -> ArchonError:
    """`error` as callers may see it: of a server's trouble only the kind, the rest goes to the log."""
    if not isinstance(error, ProviderError) or isinstance(error, AnswerUnusable):
        return error
    late = isinstance(error, ProviderTimeout)
    if not late and error.http_status not in _TROUBLE:
        return error
    _log.warning("code_help_trouble", request_id=str(request.state.request_id), **error.to_dict())
    return LateTrouble(error) if late else Trouble(error)
