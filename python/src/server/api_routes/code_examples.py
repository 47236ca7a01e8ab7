"""Search in code examples."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from src.search.code import CodeSearch

from ..request_parts import InRooms, answer
from .bodies import Name, Question, Tags, Text

router = APIRouter(prefix="/api")


class CodeQueryBody(BaseModel):
    """POST /api/rag/code-examples. `language` is a programming language; `source` is v1's way to name one source."""

    query: Question
    source: Text | None = None
    source_ids: list[Name] = Field(default=[], max_length=1000)
    tags: Tags = []
    language: Name | None = None
    match_count: int = Field(default=5, ge=1, le=100)


@router.post("/rag/code-examples")
@router.post("/code-examples")
async def query(body: CodeQueryBody, rooms: InRooms) -> JSONResponse:
    """The best examples. A search that fails is an error, never an empty list."""
    found = await CodeSearch(rooms.database, rooms.answering).search(
        body.query,
        source_ids=[*body.source_ids, *([body.source] if body.source else [])],
        tags=body.tags,
        language=body.language,
        limit=body.match_count,
    )
    return answer(found.to_dict())
