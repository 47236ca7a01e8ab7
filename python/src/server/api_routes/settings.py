"""What is in force and from where, and saving all of a form at once."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from src.settings import FirstRun
from src.store import sources
from src.store.conversations import ConversationRepository

from ..composition import Rooms
from ..request_parts import InRooms, answer
from .bodies import SettingsBody

router = APIRouter(prefix="/api/settings")


@router.get("")
async def settings(rooms: InRooms) -> JSONResponse:
    """Services with their problems, values with their origin; never a secret."""
    return await _overview(rooms)


@router.put("")
async def save(body: SettingsBody, rooms: InRooms) -> JSONResponse:
    """Save all values or none. Raises InvalidInput, ConfigurationError with the field."""
    await rooms.settings.save(body.values)
    return await _overview(rooms)


@router.get("/health")
async def health() -> JSONResponse:
    """v1's sign of life of this part."""
    return answer({"status": "healthy", "service": "settings"})


async def _overview(rooms: Rooms) -> JSONResponse:
    first_run = FirstRun(
        knowledge=(await sources.summaries(rooms.database, per_page=1)).total > 0,
        question_asked=bool(await ConversationRepository(rooms.database).recent(1)),
    )
    overview = await rooms.settings.overview(rooms.discover, first_run)
    return answer(overview.to_dict())
