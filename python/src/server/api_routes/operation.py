"""`GET /metrics`: the figures of this server for Prometheus; `GET /api/status`: how everything is, for people."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from src.errors import JsonValue, StoreError
from src.store import indexes
from src.store.operation import Figure, figures, workers

from ..metrics import ServerMetrics
from ..request_parts import InRooms, Starting, answer

router = APIRouter()
_log = structlog.get_logger("archon.server.metrics")


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, startup: Starting) -> Response:
    """Prometheus' text format. Without a database its own figures are still told, and `archon_database_up` is 0."""
    known: ServerMetrics = request.app.state.metrics
    found: list[Figure] | None = None
    if startup.opened is not None:
        try:
            found = await figures(startup.opened.database)
        except StoreError as error:
            _log.warning("figures_not_read", **error.to_dict())
    return Response(known.exposition(found), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/status")
async def status(request: Request, rooms: InRooms, fresh: bool = False) -> JSONResponse:
    """The store, who works, each chosen model server with its history, and the errors since the start.

    Raises StoreError.
    """
    known: ServerMetrics = request.app.state.metrics
    state = await rooms.database.state()
    found = await figures(rooms.database)
    left = await indexes.left(rooms.database)
    body: dict[str, JsonValue] = {
        "store": {
            "kind": state.kind,
            "postgres": state.server_version,
            "pgvector": state.vector_version,
            "location": state.location,
            "bytes": next((one.value for one in found if one.name == "database_bytes"), None),
            "rows": {one.label: one.value for one in found if one.name == "rows"},
            "indexes_waiting": left.ours + left.of_v1,
        },
        "jobs": {one.label: one.value for one in found if one.name == "jobs"},
        "workers": [
            {"name": one.name, "jobs": one.jobs, "duty": one.duty, "lease_until": one.lease_until.isoformat()}
            for one in await workers(rooms.database)
        ],
        "models": [one.public() for one in await rooms.watch.seen(anew=fresh)],
        "errors": [{"code": code, "provider": provider, "count": count} for code, provider, count in known.failures()],
    }
    return answer(body)
