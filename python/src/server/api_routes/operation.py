"""`GET /metrics`: the figures of this server for Prometheus."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from src.errors import StoreError
from src.store.operation import Figure, figures

from ..metrics import ServerMetrics
from ..request_parts import Starting

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
