"""Jobs: what is under way and what was done, and how people steer it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from src.errors import JsonValue
from src.store import job_sharing, jobs

from ..job_views import history_item, job_item
from ..request_parts import InRooms, answer
from .progress import known_id

router = APIRouter(prefix="/api/jobs")

State = Literal["queued", "running", "paused", "completed", "failed", "cancelled"]
PageState = Literal["queued", "stored", "unchanged", "skipped", "removed", "failed"]
Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=100_000_000)]


@router.get("")
async def listed(
    rooms: InRooms,
    state: Annotated[list[State] | None, Query()] = None,
    source_id: Annotated[str | None, Query(max_length=255)] = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> JSONResponse:
    """Jobs, newest first."""
    found = await jobs.listed(rooms.database, states=state, source_id=source_id, limit=limit, offset=offset)
    return answer({"jobs": [job_item(job) for job in found.items], "total": found.total})


@router.get("/{job_id}")
async def one(job_id: str, rooms: InRooms) -> JSONResponse:
    """One job. Raises NotFound."""
    return answer(job_item(await jobs.get(rooms.database, known_id(job_id))))


@router.get("/{job_id}/pages")
async def pages(
    job_id: str,
    rooms: InRooms,
    state: Annotated[list[PageState] | None, Query()] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> JSONResponse:
    """What became of each address, with the reason where nothing was stored. Raises NotFound."""
    job = await jobs.get(rooms.database, known_id(job_id))
    found = await job_sharing.history(rooms.database, job.id, states=state, limit=limit, offset=offset)
    counts: dict[str, JsonValue] = {
        count.state: count.pages for count in await job_sharing.counts(rooms.database, job.id)
    }
    return answer({"pages": [history_item(entry) for entry in found.items], "total": found.total, "counts": counts})


@router.post("/{job_id}/pause")
async def pause(job_id: str, rooms: InRooms) -> JSONResponse:
    """Stand still; nothing is lost. Raises NotFound, Conflict (it has ended)."""
    await rooms.ingest.pause(known_id(job_id))
    return await one(job_id, rooms)


@router.post("/{job_id}/resume")
async def resume(job_id: str, rooms: InRooms) -> JSONResponse:
    """Go on after a pause. Raises NotFound, Conflict (it has ended)."""
    await rooms.ingest.resume(known_id(job_id))
    return await one(job_id, rooms)


@router.post("/{job_id}/cancel")
async def cancel(job_id: str, rooms: InRooms) -> JSONResponse:
    """Stop for good; what was stored stays. Raises NotFound."""
    await rooms.ingest.stop(known_id(job_id))
    return await one(job_id, rooms)


@router.post("/{job_id}/retry")
async def retry(job_id: str, rooms: InRooms) -> JSONResponse:
    """Try again what failed or was never reached. Raises NotFound, Conflict."""
    await rooms.ingest.retry(known_id(job_id))
    return await one(job_id, rooms)
