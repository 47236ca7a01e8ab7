"""Kept conversations: found, opened page by page, renamed, changed, exported, deleted."""

from __future__ import annotations

import json
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from ..request_parts import InRooms, answer
from .bodies import Text
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
async def export(conversation_id: UUID, rooms: InRooms, format: Literal["markdown", "json"] = "markdown") -> Response:
    """The conversation as a file. Raises NotFound."""
    file = await rooms.conversations.export(str(conversation_id), format)
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"', "Cache-Control": "no-store"}
    if file.text is not None:
        return Response(file.text.encode(), media_type="text/markdown; charset=utf-8", headers=headers)
    text = json.dumps(file.value, ensure_ascii=False, indent=2)
    return Response(text.encode(), media_type="application/json", headers=headers)


@router.delete("/conversations/{conversation_id}")
async def forget(conversation_id: UUID, rooms: InRooms) -> JSONResponse:
    """Delete a conversation. Raises NotFound."""
    await rooms.conversations.delete(str(conversation_id))
    return answer({"success": True, "message": "Deleted."})


@router.get("/pages")
async def pages(rooms: InRooms, search: Words = "", limit: Annotated[int, Query(ge=1, le=100)] = 20) -> JSONResponse:
    """Pages that can be attached to a conversation."""
    return answer(await rooms.conversations.pages(search, limit))
