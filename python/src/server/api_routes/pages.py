"""Whole pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from src.store import pages

from ..request_parts import InRooms, answer
from ..views import page_item, whole_page
from .bodies import Name, Text

router = APIRouter(prefix="/api/pages")


@router.get("")
async def of_source(
    rooms: InRooms, source_id: Annotated[Name, Query()], section: Annotated[Text | None, Query()] = None
) -> JSONResponse:
    """A source's pages without their text, in order."""
    found = await pages.listing(rooms.database, source_id, section=section)
    return answer({"pages": [page_item(page) for page in found], "total": len(found), "source_id": source_id})


# Before the one with an id: FastAPI takes the first route that fits.
@router.get("/by-url")
async def by_url(rooms: InRooms, url: Annotated[Text, Query(min_length=1)]) -> JSONResponse:
    """The page of an address. Raises NotFound."""
    return answer(whole_page(await pages.by_url(rooms.database, url)))


@router.get("/{page_id}")
async def by_id(rooms: InRooms, page_id: str) -> JSONResponse:
    """One page with its whole text. Raises NotFound, InvalidInput for what is no id."""
    return answer(whole_page(await pages.get(rooms.database, page_id)))
