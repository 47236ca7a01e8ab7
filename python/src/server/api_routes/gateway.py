"""The gateway's state for the pages."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from ..gateway_status import gateway_status
from ..request_parts import InRooms, answer

router = APIRouter(prefix="/api/gateway")


@router.get("/status")
async def status(rooms: InRooms) -> JSONResponse:
    """Pools and servers as the gateway sees them; 200 also where none runs, with what to do in `error`."""
    snapshot = await rooms.settings.snapshot()
    return answer(await gateway_status(rooms.environment, rooms.registry, snapshot))
