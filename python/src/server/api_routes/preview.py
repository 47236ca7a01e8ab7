"""What an address would bring."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from src.errors import JsonValue, NotFound
from src.ingest.fetch import FetchPolicy
from src.ingest.preview import preview
from src.store import sources

from ..request_parts import InRooms, answer
from .bodies import CrawlBody

router = APIRouter(prefix="/api")


@router.post("/knowledge-items/preview")
async def look(body: CrawlBody, rooms: InRooms) -> JSONResponse:
    """Look at an address without storing anything; takes some seconds at most."""
    policy = FetchPolicy(allow_private=rooms.environment.allow_private_addresses)
    seen = await preview(body.request(), policy)
    known: dict[str, JsonValue] | None = None
    try:
        source = await sources.get(rooms.database, seen.source_id)
        known = {"source_id": source.source_id, "title": source.title, "page_count": source.page_count}
    except NotFound:
        pass  # nobody crawled it yet
    return answer({**seen.to_dict(), "known": known})
