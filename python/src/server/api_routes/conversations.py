"""Kept conversations: found, opened page by page, renamed, changed, exported, deleted."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, StreamingResponse

from src.agents.chat_settings import MOST_PINNED

from ..request_parts import InRooms, answer
from .bodies import Name, Text
from .chat_bodies import ConversationChange, ShownBranch

router = APIRouter(prefix="/api/chat")
Words = Annotated[Text, Query()]


@router.get("/conversations")
async def conversations(rooms: InRooms, search: Words = "") -> JSONResponse:
    """The latest conversations; with `search` those that have all of its words."""
    return answer(await rooms.conversations.list(search))


@router.get("/conversations/{conversation_id}")
async def conversation(
    conversation_id: UUID,
    rooms: InRooms,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 60,
) -> JSONResponse:
    """One conversation with the last messages of its branch, or those before message `before`. Raises NotFound."""
    found = await rooms.conversations.get(str(conversation_id), None if before is None else str(before), limit)
    return answer(found)


@router.put("/conversations/{conversation_id}")
async def change(conversation_id: UUID, body: ConversationChange, rooms: InRooms) -> JSONResponse:
    """Rename it, or change how it is answered. Raises NotFound."""
    settings = None if body.settings is None else body.settings.value()
    return answer(await rooms.conversations.change(str(conversation_id), body.title, settings))


@router.put("/conversations/{conversation_id}/branch")
async def show(conversation_id: UUID, body: ShownBranch, rooms: InRooms) -> JSONResponse:
    """Show the branch through a message. Raises NotFound."""
    return answer(await rooms.conversations.show(str(conversation_id), str(body.message_id)))


@router.get("/conversations/{conversation_id}/export")
async def export(
    conversation_id: UUID, rooms: InRooms, format: Literal["markdown", "json"] = "markdown"
) -> StreamingResponse:
    """The conversation as a file, sent while it is read. Raises NotFound."""
    file = await rooms.conversations.export(str(conversation_id), format)
    # RFC 6266: the plain name for clients that know no other.
    plain = file.name if file.name.isascii() else f"conversation.{file.name.rpartition('.')[2]}"
    named = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name)}"
    headers = {"Content-Disposition": named, "Cache-Control": "no-store"}
    return StreamingResponse(file.pieces, media_type=file.media_type, headers=headers)


@router.delete("/conversations/{conversation_id}")
async def forget(conversation_id: UUID, rooms: InRooms) -> JSONResponse:
    """Delete a conversation. Raises NotFound."""
    await rooms.conversations.delete(str(conversation_id))
    return answer({"success": True, "message": "Deleted."})


@router.get("/pages")
async def pages(rooms: InRooms, search: Words = "", limit: Annotated[int, Query(ge=1, le=100)] = 20) -> JSONResponse:
    """Pages that can be attached to a conversation."""
    return answer(await rooms.conversations.pages(search, limit))


@router.get("/attached")
async def attached(
    rooms: InRooms,
    page: Annotated[list[UUID], Query(max_length=MOST_PINNED)] = [],  # noqa: B006 - FastAPI copies it
    source: Annotated[list[Name], Query(max_length=MOST_PINNED)] = [],  # noqa: B006
) -> JSONResponse:
    """Those of the attached pages and sources that are stored still."""
    return answer(await rooms.conversations.attached([str(one) for one in page], source))
