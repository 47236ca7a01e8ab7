"""Questions answered over server-sent events, and the conversations they belong to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from src.agents.events import ChatEvent
from src.agents.request import AskRequest
from src.errors import ArchonError, JsonValue

from ..errors_http import unexpected
from ..request_parts import InRooms, Stopping, answer
from ..sse import EventStream, ServerEvent
from .bodies import ChatBody

router = APIRouter(prefix="/api/chat")
_log = structlog.get_logger("archon.server.chat")


@router.post("", response_class=EventStream, status_code=200)
async def ask(body: ChatBody, request: Request, rooms: InRooms, stopping: Stopping) -> EventStream:
    """Stream an answer. What fails before its start is an ordinary HTTP error."""
    question = AskRequest(
        message=body.message,
        conversation_id=None if body.conversation_id is None else str(body.conversation_id),
        source_ids=tuple(body.source_ids),
        match_count=body.match_count,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
    )
    events = _events(rooms.answers.ask(question), str(request.state.request_id))
    return EventStream(events, stopping, farewell=_done("cancelled"))


@router.get("/conversations")
async def conversations(rooms: InRooms) -> JSONResponse:
    """The latest conversations."""
    return answer(await rooms.conversations.list())


@router.get("/conversations/{conversation_id}")
async def conversation(conversation_id: UUID, rooms: InRooms) -> JSONResponse:
    """One conversation with its messages. Raises NotFound."""
    return answer(await rooms.conversations.get(str(conversation_id)))


@router.delete("/conversations/{conversation_id}")
async def forget(conversation_id: UUID, rooms: InRooms) -> JSONResponse:
    """Delete a conversation. Raises NotFound."""
    await rooms.conversations.delete(str(conversation_id))
    return answer({"success": True, "message": "Deleted."})


async def _events(asked: AsyncGenerator[ChatEvent, None], request_id: str) -> AsyncGenerator[ServerEvent, None]:
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
        _log.exception("chat failed")
        error = unexpected(request_id)
    if error is not None and not done:
        yield ServerEvent("error", error.to_dict())
        yield _done("upstream_error")


def _done(outcome: str) -> ServerEvent:
    body: dict[str, JsonValue] = {
        "outcome": outcome,
        "finish_reason": None,
        "supported": False,
        "answer": "",
        "message_id": None,
    }
    return ServerEvent("done", body)
