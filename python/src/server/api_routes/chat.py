"""Questions answered over server-sent events; an answer can be watched again, from anywhere, until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders

from src.agents import replay
from src.agents.chat_settings import GROUNDED_TEMPERATURE, MAX_SEED, MAX_STOPS, MAX_TEMPERATURE, longest_answer
from src.agents.request import AskRequest
from src.agents.running import RunningAnswer
from src.errors import JsonValue
from src.settings.connections_wire import limits_of

from ..composition import Rooms
from ..request_parts import InRooms, Stopping, answer
from ..sse import EventStream, ServerEvent
from .bodies import Name
from .chat_bodies import ChatBody

router = APIRouter(prefix="/api/chat")
LastEvent = Annotated[str | None, Header(alias="Last-Event-ID", max_length=20)]


@router.post("", response_class=EventStream, status_code=200)
async def ask(body: ChatBody, rooms: InRooms, stopping: Stopping) -> EventStream:
    """Stream an answer. What fails before its start is an ordinary HTTP error; a header names the provider asked."""
    headers = MutableHeaders()
    events = _asked(rooms, body.value(), body.keep_s, stopping, headers)
    return EventStream(events, stopping, farewell=_FAREWELL, headers=headers)


@router.get("/answers/{message_id}/events", response_class=EventStream, status_code=200)
async def events(message_id: UUID, rooms: InRooms, stopping: Stopping, last_event_id: LastEvent = None) -> EventStream:
    """Watch an answer: from its start, or from the event after `Last-Event-ID` on; an ended one is told whole.

    Raises NotFound as an ordinary HTTP error.
    """
    run = rooms.chat.get(str(message_id))
    if run is not None:
        after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
        return EventStream(_watched(run, after, stopping), stopping, farewell=_FAREWELL)
    return EventStream(_replayed(rooms, str(message_id)), stopping, farewell=_FAREWELL)


@router.post("/answers/{message_id}/stop")
async def stop(message_id: UUID, rooms: InRooms) -> JSONResponse:
    """Stop the model's work on an answer; what came of it is kept. Raises NotFound."""
    stopped = await rooms.chat.stop(str(message_id))
    _, message = await rooms.conversations.store.message(str(message_id))
    return answer({"stopped": stopped, "outcome": message.outcome})


@router.get("/limits")
async def limits(
    rooms: InRooms, connection_id: Annotated[Name | None, Query()] = None, model: Annotated[Name | None, Query()] = None
) -> JSONResponse:
    """What the sampling settings may be with a connection and its model.

    Raises NotFound, ConfigurationError, ProviderError.
    """
    chosen = await rooms.chosen_chat(connection_id, model)
    length, bounds = await chosen.max_model_len(), limits_of(chosen)
    return answer(
        {
            "provider": chosen.provider,
            "model": chosen.model,
            "max_model_len": length,
            "max_tokens": {"min": 1, "max": longest_answer(length, bounds.max_tokens if bounds else None)},
            "temperature": {"min": 0, "max": MAX_TEMPERATURE, "grounded": GROUNDED_TEMPERATURE},
            "top_p": {"min": 0, "max": 1},
            "stop": {"most": MAX_STOPS},
            "seed": {"min": 0, "max": MAX_SEED},
        }
    )


async def _asked(
    rooms: Rooms, request: AskRequest, keep_s: float, stopping: asyncio.Event, headers: MutableHeaders
) -> AsyncGenerator[ServerEvent, None]:
    """Ask, then watch. `headers` get the provider before the first event goes out; `done` says who answered."""
    run = await rooms.chat.begin(request, keep_s)
    headers["X-Archon-Provider"] = run.started.result().provider
    async with aclosing(_watched(run, 0, stopping)) as watched:
        async for event in watched:
            yield event


async def _watched(run: RunningAnswer, after: int, stopping: asyncio.Event) -> AsyncGenerator[ServerEvent, None]:
    async with aclosing(run.watch(after)) as events:
        try:
            async for number, event in events:
                yield ServerEvent(event.name, event.to_dict(), number)
        finally:
            if stopping.is_set():
                # Not the reader left but the server goes: that is no wish to stop.
                run.interrupt_soon()


async def _replayed(rooms: Rooms, message_id: str) -> AsyncGenerator[ServerEvent, None]:
    async with aclosing(replay.replay(rooms.conversations.store, message_id)) as told:
        async for name, body in told:
            yield ServerEvent(name, body)


_FAREWELL_BODY: dict[str, JsonValue] = {
    "outcome": "cancelled",
    "finish_reason": None,
    "supported": False,
    "answer": "",
    "message_id": None,
}
_FAREWELL = ServerEvent("done", _FAREWELL_BODY)
"""For a reader that is cut off because the server stops."""
