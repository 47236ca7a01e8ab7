"""The embedding model that answers, the one that takes its place, and how often a source is read anew."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from src.errors import ConfigurationError, InvalidInput, JsonValue, ProviderError
from src.inference.models import EmbeddingIdentity
from src.store import jobs, schedules, sources, spaces

from ..composition import Rooms
from ..job_views import change_item, job_item, schedule_item, space_item
from ..request_parts import InRooms, answer

router = APIRouter(prefix="/api")
_SECONDS = 3600.0


class ScheduleBody(BaseModel):
    """PUT /api/knowledge-items/{id}/schedule: null for never by itself."""

    every_hours: float | None = Field(ge=0.25, le=24 * 365, allow_inf_nan=False)


@router.get("/embedding-spaces")
async def overview(rooms: InRooms) -> JSONResponse:
    """The spaces that hold vectors, the one the settings name, and the job between them."""
    known = await spaces.every(rooms.database)
    change = next((job for job in await jobs.unfinished(rooms.database) if job.kind == "reembed"), None)
    chosen = await _chosen(rooms, [one.space for one in known], counted=change is None)
    return answer(
        {
            "spaces": [space_item(one) for one in known],
            "chosen": chosen,
            "job": None if change is None else job_item(change),
        }
    )


@router.post("/embedding-spaces/change")
async def change(rooms: InRooms) -> JSONResponse:
    """Embed everything anew with the model that the settings name, also where that was stopped before."""
    job_id = await rooms.ingest.caretaker.look_at_model(anew=True)
    if job_id is None:
        open_job = next((job for job in await jobs.unfinished(rooms.database) if job.kind == "reembed"), None)
        if open_job is None:
            raise InvalidInput(
                "The stored passages have the vectors of the chosen model already.",
                next_step="Choose another embedding model in Settings first.",
            )
        job_id = open_job.id
    return answer({"success": True, "progressId": job_id, "message": "Embedding anew"})


@router.get("/knowledge-items/{source_id}/schedule")
async def schedule(source_id: str, rooms: InRooms) -> JSONResponse:
    """How often a source is read anew by itself. Raises NotFound."""
    return answer(schedule_item(source_id, await schedules.of_source(rooms.database, source_id)))


@router.put("/knowledge-items/{source_id}/schedule")
async def reschedule(source_id: str, body: ScheduleBody, rooms: InRooms) -> JSONResponse:
    """Read a source anew every so many hours from now on. Raises NotFound, InvalidInput (it was uploaded)."""
    source = await sources.get(rooms.database, source_id)
    if body.every_hours is not None and not source.url.startswith(("http://", "https://")):
        raise InvalidInput(
            "This source was uploaded; there is no address to visit again.", next_step="Upload the new version."
        )
    every_s = None if body.every_hours is None else body.every_hours * _SECONDS
    return answer(schedule_item(source_id, await schedules.change(rooms.database, source_id, every_s=every_s)))


async def _chosen(rooms: Rooms, known: list[spaces.Space], *, counted: bool) -> dict[str, JsonValue]:
    try:
        identity = await (await rooms.embedder()).identity()
    except (ConfigurationError, ProviderError) as error:
        return change_item(None, None, error)
    own = next((space for space in known if _identity(space) == identity), None)
    # While the job runs, its progress tells; to count takes long in a large store.
    gap = None if own is None or not counted else await spaces.gap(rooms.database, own.id)
    return change_item(own, gap, None)


def _identity(space: spaces.Space) -> EmbeddingIdentity:
    return EmbeddingIdentity(space.model, space.dimensions, space.normalised, space.query_prefix, space.passage_prefix)
