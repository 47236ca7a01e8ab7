"""Named model servers: list, change, check, import and export."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from src.errors import JsonValue
from src.inference.check_report import model_row
from src.settings.connections_draft import ConnectionBody
from src.settings.connections_file import FILE_NAME, MAX_FILE_BYTES
from src.settings.connections_import import Existing

from ..request_parts import InRooms, answer
from .bodies import Name, SettingText
from .providers import field_row

router = APIRouter(prefix="/api/connections")


class DraftBody(BaseModel):
    """An unsaved connection; `id` is the stored one that it changes, whose key then counts."""

    id: Name | None = None
    values: ConnectionBody


class DetectBody(BaseModel):
    """POST /api/connections/detect."""

    base_url: Annotated[str, Field(max_length=2000)]
    api_key: SettingText | None = None


class ExportBody(BaseModel):
    """POST /api/connections/export."""

    include_secrets: bool = False


@router.get("")
async def connections(rooms: InRooms) -> JSONResponse:
    """All connections without their keys, and what a form of one is drawn from."""
    listed = await rooms.connections.all()
    return answer(
        {
            "connections": [one.to_dict() for one in listed],
            "default": next((one.id for one in listed if one.is_default), None),
            "fields": [field_row(field) for field in rooms.connections.fields],
            "providers": [
                {"id": one.id, "label": one.label, "local": one.server is not None}
                for one in rooms.connections.providers
            ],
        }
    )


@router.post("", status_code=201)
async def create(body: ConnectionBody, rooms: InRooms) -> JSONResponse:
    """Store a new connection. Raises InvalidInput, Conflict."""
    return answer((await rooms.connections.create(body)).to_dict(), 201)


@router.post("/import")
async def import_file(
    request: Request, rooms: InRooms, existing: Annotated[Existing, Query()] = "replace"
) -> JSONResponse:
    """Take over a llm_connections.json that is the request's body: all of it, or nothing."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_FILE_BYTES:
            break  # the reader refuses it for its size; more need not come
    return answer((await rooms.connections.import_file(bytes(content), existing)).to_dict())


@router.get("/export")
async def export(rooms: InRooms) -> Response:
    """The stored connections as a file, without keys."""
    return _file(await rooms.connections.export())


@router.post("/export")
async def export_as_asked(body: ExportBody, rooms: InRooms) -> Response:
    """The stored connections as a file, with keys where the body asks for them."""
    return _file(await rooms.connections.export(include_secrets=body.include_secrets))


@router.post("/detect")
async def detect(body: DetectBody, rooms: InRooms) -> JSONResponse:
    """What kind of server answers at an address. Raises ConfigurationError, ProviderError."""
    return answer((await rooms.connections.detect(body.base_url, body.api_key)).to_dict())


@router.post("/check")
async def check_draft(body: DraftBody, rooms: InRooms) -> JSONResponse:
    """Really ask the server of an unsaved connection. 200 also where it fails."""
    return answer((await rooms.connections.check_draft(body.values, body.id)).to_dict())


@router.post("/models")
async def draft_models(body: DraftBody, rooms: InRooms) -> JSONResponse:
    """What the server of an unsaved connection offers."""
    offered = await rooms.connections.draft_models(body.values, body.id)
    return answer({"models": [model_row(model) for model in offered]})


@router.get("/{connection_id}")
async def connection(connection_id: str, rooms: InRooms) -> JSONResponse:
    """One connection. Raises NotFound."""
    return answer((await rooms.connections.get(connection_id)).to_dict())


@router.put("/{connection_id}")
async def update(connection_id: str, body: ConnectionBody, rooms: InRooms) -> JSONResponse:
    """Change what the body names; the rest stays, a null key is removed."""
    return answer((await rooms.connections.update(connection_id, body)).to_dict())


@router.delete("/{connection_id}")
async def delete(connection_id: str, rooms: InRooms) -> JSONResponse:
    """Remove one with its key. Raises NotFound."""
    await rooms.connections.delete(connection_id)
    return answer({"success": True, "message": "Deleted."})


@router.post("/{connection_id}/check")
async def check(connection_id: str, rooms: InRooms) -> JSONResponse:
    """Really ask the server. 200 also where it fails."""
    return answer((await rooms.connections.check(connection_id)).to_dict())


@router.get("/{connection_id}/models")
async def models(connection_id: str, rooms: InRooms) -> JSONResponse:
    """What its server offers now. Raises NotFound, ConfigurationError, ProviderError."""
    offered = await rooms.connections.models(connection_id)
    return answer({"models": [model_row(model) for model in offered]})


@router.put("/{connection_id}/default")
async def make_default(connection_id: str, rooms: InRooms) -> JSONResponse:
    """Let this connection answer where none is named."""
    return answer((await rooms.connections.make_default(connection_id)).to_dict())


def _file(body: JsonValue) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{FILE_NAME}"', "Cache-Control": "no-store"}
    text = json.dumps(body, ensure_ascii=False, indent=2) + "\n"
    return Response(text, media_type="application/json", headers=headers)
