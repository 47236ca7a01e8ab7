"""Search, and the sources one can search in."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from src.store import sources

from ..request_parts import InRooms, answer
from ..views import source_for_rag
from .bodies import QueryBody

router = APIRouter(prefix="/api")
_ALL = 10_000


@router.post("/rag/query")
@router.post("/knowledge-items/search")
async def query(body: QueryBody, rooms: InRooms) -> JSONResponse:
    """The best passages or pages. A search that fails is an error, never an empty list."""
    found = await rooms.search.search(
        body.query, source_ids=(body.source,) if body.source else (), limit=body.match_count, mode=body.return_mode
    )
    return answer(found.to_dict())


@router.get("/rag/sources")
async def searchable(rooms: InRooms) -> JSONResponse:
    """Every source, newest change first."""
    found = await sources.summaries(rooms.database, per_page=_ALL)
    return answer({"success": True, "sources": [source_for_rag(one) for one in found.items], "count": found.total})
