"""The schema's state, this program's version, and how much is stored: Archon v1's paths for them."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from src.errors import JsonValue
from src.store.metrics import table_counts

from ..etag import revalidated
from ..request_parts import Configured, InRooms, Starting, answer
from ..schema_view import look_at_schema
from ..version import version

router = APIRouter(prefix="/api")
_NOT_ASKED = "Archon asks no other machine for news of itself; look at its repository."


@router.get("/migrations/status")
async def status(request: Request, startup: Starting, environment: Configured) -> Response:
    """What is applied and what is pending. Raises StoreError."""
    return revalidated(request, (await look_at_schema(startup, environment)).status(), {})


@router.get("/migrations/history")
async def history(request: Request, startup: Starting, environment: Configured) -> Response:
    """What was applied, newest first. Raises StoreError."""
    return revalidated(request, (await look_at_schema(startup, environment)).history(), {})


@router.get("/migrations/pending")
async def pending(startup: Starting, environment: Configured) -> JSONResponse:
    """What is not applied yet, with its SQL. Raises StoreError."""
    return answer((await look_at_schema(startup, environment)).pending())


@router.get("/version/current")
async def current() -> JSONResponse:
    """Which Archon this is."""
    return answer({"version": version(), "timestamp": _now()})


@router.get("/version/check")
async def check(request: Request) -> Response:
    """v1's question for updates. Nobody is asked, so there is never one."""
    body: dict[str, JsonValue] = {
        "current": version(),
        "latest": None,
        "update_available": False,
        "release_url": None,
        "release_notes": None,
        "published_at": None,
        "check_error": _NOT_ASKED,
        "assets": None,
        "author": None,
    }
    return revalidated(request, body, {})


@router.post("/version/clear-cache")
async def clear_cache() -> JSONResponse:
    """v1 kept the last answer for an hour; here there is nothing to clear."""
    return answer({"message": "Version cache cleared successfully", "success": True})


@router.get("/database/metrics")
async def metrics(rooms: InRooms) -> JSONResponse:
    """Row counts; projects and tasks are those that Archon v1 left. Raises StoreError."""
    tables = await table_counts(rooms.database)
    state = await rooms.database.state()
    return answer(
        {
            "status": "healthy",
            "database": state.kind,
            "tables": dict(tables),
            "total_records": sum(tables.values()),
            "timestamp": _now(),
        }
    )


def _now() -> str:
    return datetime.now(UTC).isoformat()
