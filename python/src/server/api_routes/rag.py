"""Search, and the sources one can search in."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from src.errors import JsonValue
from src.store import sources
from src.store.search import SearchRepository

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
        body.query,
        source_ids=[*body.source_ids, *([body.source] if body.source else [])],
        tags=body.tags,
        knowledge_types=body.knowledge_types,
        languages=body.languages,
        limit=body.match_count,
        mode=body.return_mode,
    )
    return answer(found.to_dict())


@router.get("/rag/filters")
async def filters(rooms: InRooms) -> JSONResponse:
    """The tags, types and languages that a search may ask for, with the number of sources that have each."""
    kinds: dict[str, list[JsonValue]] = {"tag": [], "knowledge_type": [], "language": []}
    for one in await SearchRepository(rooms.database).filters():
        kinds[one.kind].append({"value": one.value, "sources": one.sources})
    body: dict[str, JsonValue] = {
        "tags": kinds["tag"],
        "knowledge_types": kinds["knowledge_type"],
        "languages": kinds["language"],
    }
    return answer(body)


@router.get("/rag/sources")
async def searchable(rooms: InRooms) -> JSONResponse:
    """Every source, newest change first."""
    found = await sources.summaries(rooms.database, per_page=_ALL)
    return answer({"success": True, "sources": [source_for_rag(one) for one in found.items], "count": found.total})
