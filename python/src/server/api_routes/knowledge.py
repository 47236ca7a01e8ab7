"""What the store knows: sources, their passages and code examples."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from src.errors import JsonValue
from src.store import code_examples as stored_examples
from src.store import pages, sources
from src.store.sources import Sort, SourcePage

from ..request_parts import InRooms, answer
from ..views import chunk_item, code_example_item, source_detail, source_item, source_with_metadata
from .bodies import ItemChanges, Text

router = APIRouter(prefix="/api")

Page = Annotated[int, Query(ge=1, le=1_000_000)]
PerPage = Annotated[int, Query(ge=1, le=100)]
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=100_000_000)]
Filter = Annotated[Text | None, Query()]


@router.get("/knowledge-items")
async def items(
    rooms: InRooms, page: Page = 1, per_page: PerPage = 20, knowledge_type: Filter = None, search: Filter = None
) -> JSONResponse:
    """Sources as v1 nests them."""
    found = await sources.summaries(
        rooms.database, page=page, per_page=per_page, knowledge_type=knowledge_type, search=search
    )
    return _listed([source_with_metadata(one) for one in found.items], found, page, per_page)


@router.get("/knowledge-items/summary")
async def summaries(
    rooms: InRooms,
    page: Page = 1,
    per_page: PerPage = 20,
    knowledge_type: Filter = None,
    search: Filter = None,
    tag: Filter = None,
    problems: bool = False,
    sort: Annotated[Sort, Query()] = "updated",
) -> JSONResponse:
    """Sources with counts and their last work; newest change first unless sorted otherwise."""
    found = await sources.summaries(
        rooms.database,
        page=page,
        per_page=per_page,
        knowledge_type=knowledge_type,
        search=search,
        tag=tag,
        troubled=problems,
        sort=sort,
    )
    return _listed([source_item(one) for one in found.items], found, page, per_page)


@router.get("/knowledge-items/sources")
async def no_sources() -> JSONResponse:
    """v1 answers an empty list here in every state; /api/rag/sources has them."""
    return answer([])


@router.get("/knowledge-items/{source_id}")
async def one(source_id: str, rooms: InRooms) -> JSONResponse:
    """One source, with the pages that failed when it was last read. Raises NotFound."""
    source = await sources.get(rooms.database, source_id)
    return answer(source_detail(source, await sources.problems(rooms.database, source_id)))


@router.put("/knowledge-items/{source_id}")
async def change(source_id: str, body: ItemChanges, rooms: InRooms) -> JSONResponse:
    """Change the given fields; the others stay. Raises NotFound."""
    given = body.model_dump(exclude_none=True)
    title = given.pop("title", None)
    await sources.update(rooms.database, source_id, title=title, metadata=given)
    return answer({"success": True, "message": "Saved.", "source_id": source_id})


@router.delete("/knowledge-items/{source_id}")
async def remove(source_id: str, rooms: InRooms) -> JSONResponse:
    """Remove a source with all that was made from it. Raises NotFound."""
    await sources.delete(rooms.database, source_id)
    return answer({"success": True, "message": "Deleted.", "source_id": source_id})


@router.delete("/sources/{source_id}")
async def remove_source(source_id: str, rooms: InRooms) -> JSONResponse:
    """v1's other way to the same. Raises NotFound."""
    return await remove(source_id, rooms)


@router.get("/knowledge-items/{source_id}/chunks")
async def chunks(
    source_id: str, rooms: InRooms, domain_filter: Filter = None, limit: Limit = 20, offset: Offset = 0
) -> JSONResponse:
    """Passages by page and place. Raises NotFound for an unknown source."""
    await sources.get(rooms.database, source_id)
    found = await pages.chunks(rooms.database, source_id, limit=limit, offset=offset, url_contains=domain_filter)
    body: dict[str, JsonValue] = {
        "success": True,
        "source_id": source_id,
        "domain_filter": domain_filter,
        "chunks": [chunk_item(chunk) for chunk in found.items],
        "total": found.total,
        "limit": limit,
        "offset": offset,
        "has_more": offset + len(found.items) < found.total,
    }
    return answer(body)


@router.get("/knowledge-items/{source_id}/code-examples")
async def code_examples(
    source_id: str, rooms: InRooms, language: Filter = None, limit: Limit = 20, offset: Offset = 0
) -> JSONResponse:
    """Code examples in the order they were found. Raises NotFound for an unknown source."""
    await sources.get(rooms.database, source_id)
    found = await stored_examples.of_source(
        rooms.database, source_id, language=language or None, limit=limit, offset=offset
    )
    body: dict[str, JsonValue] = {
        "success": True,
        "source_id": source_id,
        "code_examples": [code_example_item(example) for example in found.items],
        "total": found.total,
        "limit": limit,
        "offset": offset,
        "has_more": offset + len(found.items) < found.total,
    }
    return answer(body)


def _listed(items: list[dict[str, JsonValue]], found: SourcePage, page: int, per_page: int) -> JSONResponse:
    return answer(
        {
            "items": [*items],
            "total": found.total,
            "page": page,
            "per_page": per_page,
            "pages": -(-found.total // per_page),
        }
    )
