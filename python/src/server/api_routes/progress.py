"""How far work is: asked for with ETags, or pushed as events until it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from src.errors import JsonValue, NotFound
from src.ingest.progress import JobProgress

from ..errors_http import NotReady
from ..etag import revalidated
from ..request_parts import InRooms, Stopping, answer
from ..sse import EventStream, ServerEvent

router = APIRouter(prefix="/api")
_POLL_MS = "1000"
_FAREWELL = ServerEvent(
    "error",
    NotReady(
        "The server is being stopped; the work goes on with its next start.", next_step="Ask again then."
    ).to_dict(),
)


@router.get("/progress/")
async def running(rooms: InRooms) -> JSONResponse:
    """The work that is not done."""
    operations = [progress.to_operation() for progress in await rooms.ingest.running()]
    return answer({"operations": [*operations], "count": len(operations), "timestamp": datetime.now(UTC).isoformat()})


@router.get("/progress/{progress_id}")
async def progress(progress_id: str, request: Request, rooms: InRooms) -> Response:
    """One piece of work. 304 where the client has this state already. Raises NotFound."""
    found = await rooms.ingest.progress(known_id(progress_id))
    changed_at = found.updated_at or datetime.now(UTC)
    headers = {
        "Last-Modified": format_datetime(changed_at.astimezone(UTC), usegmt=True),
        "X-Poll-Interval": "0" if found.is_final else _POLL_MS,
    }
    return revalidated(request, found.to_dict(), headers)


@router.get("/crawl-progress/{progress_id}")
async def crawl_progress(progress_id: str, rooms: InRooms) -> JSONResponse:
    """v1's older way to the same body. Raises NotFound."""
    return answer((await rooms.ingest.progress(known_id(progress_id))).to_dict())


@router.get("/progress/{progress_id}/events", response_class=EventStream, status_code=200)
async def events(progress_id: str, rooms: InRooms, stopping: Stopping) -> EventStream:
    """Every state as it comes, up to the final one. Raises NotFound."""
    return EventStream(_states(rooms.ingest.watch(known_id(progress_id))), stopping, farewell=_FAREWELL)


async def _states(watched: AsyncIterator[JobProgress]) -> AsyncGenerator[ServerEvent, None]:
    try:
        async for state in watched:
            body: dict[str, JsonValue] = state.to_dict()
            yield ServerEvent("progress", body)
    finally:
        if isinstance(watched, AsyncGenerator):
            await watched.aclose()


def known_id(progress_id: str) -> str:
    """`progress_id` as jobs are known by. Raises NotFound for what cannot be one."""
    try:
        return str(UUID(progress_id))
    except ValueError as error:
        raise NotFound(f"Operation {progress_id[:80]} not found") from error
