"""Who can answer chats: the chosen provider and its fallbacks."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from ..request_parts import InRooms, answer

router = APIRouter(prefix="/v1/health")


@router.get("/inference")
async def inference(rooms: InRooms) -> JSONResponse:
    """Primary and fallbacks with health, models and last error; 200 whatever their state, which is in `status`."""
    return answer(await rooms.chat_model.health())
