"""Sessions with the knowledge agent, and its answers over server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Literal
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from src.agents.knowledge.asked import PASSAGES_EACH, AgentQuestion
from src.agents.knowledge.events import AgentEvent
from src.agents.knowledge.sessions import AGENT_TYPES
from src.agents.request import MAX_PASSAGES
from src.errors import ArchonError, JsonValue
from src.inference.models import ChatMessage

from ..errors_http import unexpected
from ..request_parts import InRooms, Stopping, answer
from ..sse import EventStream, ServerEvent
from .bodies import Name, Question, Storable

router = APIRouter(prefix="/api/agent-chat")
_log = structlog.get_logger("archon.server.agent_chat")


class SessionBody(BaseModel):
    """POST /api/agent-chat/sessions."""

    agent_type: Name = "rag"
    project_id: Name | None = None


class MessageBody(BaseModel):
    """A question to the agent."""

    message: Question
    source_ids: Annotated[list[Name], Field(max_length=100)] = []
    match_count: int = Field(default=PASSAGES_EACH, ge=1, le=MAX_PASSAGES)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    temperature: float | None = Field(default=None, ge=0, le=2)
    connection_id: Name | None = None
    model: Name | None = None


class PastBody(BaseModel):
    """A message that came before."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=100_000), Storable]


class AskBody(MessageBody):
    """POST /api/agent-chat/ask: a question that is not kept, with what came before it."""

    history: Annotated[list[PastBody], Field(max_length=100)] = []


@router.get("/agents")
async def agents() -> JSONResponse:
    """The agents there are."""
    listed: list[JsonValue] = [{"type": name, "description": about} for name, about in AGENT_TYPES.items()]
    return answer({"agents": listed})


@router.post("/sessions")
async def begin(body: SessionBody, rooms: InRooms) -> JSONResponse:
    """Begin a session."""
    return answer({"session_id": await rooms.agents.create(body.agent_type, body.project_id)})


@router.get("/sessions/{session_id}")
async def session(session_id: UUID, rooms: InRooms) -> JSONResponse:
    """One session with its messages. Raises NotFound."""
    return answer(await rooms.agents.get(str(session_id)))


@router.delete("/sessions/{session_id}")
async def forget(session_id: UUID, rooms: InRooms) -> JSONResponse:
    """Delete a session. Raises NotFound."""
    await rooms.agents.delete(str(session_id))
    return answer({"success": True, "message": "Deleted."})


@router.get("/sessions/{session_id}/messages")
async def messages(session_id: UUID, rooms: InRooms) -> JSONResponse:
    """The messages of a session, oldest first. Raises NotFound."""
    return answer(await rooms.agents.messages(str(session_id)))


@router.post("/sessions/{session_id}/messages")
async def send(session_id: UUID, body: MessageBody, rooms: InRooms) -> JSONResponse:
    """Keep a question and let the agent answer it; the answer appears among the messages."""
    await rooms.agents.send(str(session_id), _question(body))
    return answer({"status": "sent"})


@router.post("/sessions/{session_id}/stream", response_class=EventStream, status_code=200)
async def stream(
    session_id: UUID, body: MessageBody, request: Request, rooms: InRooms, stopping: Stopping
) -> EventStream:
    """Stream the agent's answer in a session. What fails before its start is an ordinary HTTP error."""
    return _stream(rooms.agents.ask(str(session_id), _question(body)), request, stopping)


@router.post("/ask", response_class=EventStream, status_code=200)
async def ask(body: AskBody, request: Request, rooms: InRooms, stopping: Stopping) -> EventStream:
    """Stream the agent's answer to a question that is not kept."""
    history = tuple(ChatMessage(past.role, past.content) for past in body.history)
    return _stream(rooms.agents.ask_once(_question(body, history)), request, stopping)


def _question(body: MessageBody, history: tuple[ChatMessage, ...] = ()) -> AgentQuestion:
    return AgentQuestion(
        message=body.message,
        history=history,
        source_ids=tuple(body.source_ids),
        match_count=body.match_count,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        connection_id=body.connection_id,
        model=body.model,
    )


def _stream(events: AsyncGenerator[AgentEvent, None], request: Request, stopping: Stopping) -> EventStream:
    return EventStream(_events(events, str(request.state.request_id)), stopping, farewell=_done("cancelled"))


async def _events(asked: AsyncGenerator[AgentEvent, None], request_id: str) -> AsyncGenerator[ServerEvent, None]:
    """The events on the wire; once begun, they end with `done` whatever happens."""
    started = done = False
    error: ArchonError | None = None
    try:
        async with aclosing(asked) as events:
            async for event in events:
                started, done = True, event.name == "done"
                yield ServerEvent(event.name, event.to_dict())
    except ArchonError as failure:
        if not started:
            raise
        error = failure
    except Exception:  # the request edge: a reader that waits for `done` must get it
        if not started:
            raise
        _log.exception("agent failed")
        error = unexpected(request_id)
    if error is not None and not done:
        yield ServerEvent("error", error.to_dict())
        yield _done("upstream_error")


def _done(outcome: str) -> ServerEvent:
    body: dict[str, JsonValue] = {"outcome": outcome, "finish_reason": None, "supported": False, "answer": ""}
    return ServerEvent("done", body | {"way": None, "reason": None, "message_id": None})
