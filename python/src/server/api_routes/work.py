"""Work that is started and stopped: crawling a site, taking a file in, refreshing a source."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError

from src.errors import ErrorContext, InvalidInput
from src.ingest.requests import UploadRequest

from ..precheck import require_embeddings
from ..request_parts import InRooms, answer
from .bodies import CrawlBody, Name, Tags
from .progress import known_id

router = APIRouter(prefix="/api")
_TAGS = TypeAdapter(Tags)
_DURATION = "Depends on the site; the progress says how far it is."


@router.post("/knowledge-items/crawl")
async def crawl(body: CrawlBody, rooms: InRooms) -> JSONResponse:
    """Start a crawl, once the embedding model was seen to work."""
    await require_embeddings(rooms.embedder)
    progress_id = await rooms.ingest.start_crawl(body.request())
    return answer(
        {
            "success": True,
            "progressId": progress_id,
            "message": "Crawling started",
            "estimatedDuration": _DURATION,
        }
    )


@router.post("/knowledge-items/{source_id}/refresh")
async def refresh(source_id: str, rooms: InRooms) -> JSONResponse:
    """Read a source anew; unchanged pages are not embedded again. Raises NotFound."""
    await require_embeddings(rooms.embedder)
    progress_id = await rooms.ingest.refresh(source_id)
    return answer({"success": True, "progressId": progress_id, "message": "Refresh started"})


@router.post("/knowledge-items/stop/{progress_id}")
async def stop(progress_id: str, rooms: InRooms) -> JSONResponse:
    """Ask running work to stop; what it stored stays. Raises NotFound."""
    await rooms.ingest.stop(known_id(progress_id))
    return answer({"success": True, "message": "Stopping", "progressId": progress_id})


@router.post("/documents/upload")
async def upload(
    rooms: InRooms,
    file: Annotated[UploadFile, File()],
    tags: Annotated[str, Form(max_length=20_000)] = "",
    knowledge_type: Annotated[Name, Form()] = "technical",
    extract_code_examples: Annotated[bool, Form()] = True,
) -> JSONResponse:
    """Take a file in, once the embedding model was seen to work. `tags` is a JSON list of texts."""
    request = UploadRequest(
        filename=file.filename or "",
        content=await file.read(),
        content_type=file.content_type or "",
        knowledge_type=knowledge_type,
        tags=_tags(tags),
        extract_code_examples=extract_code_examples,
    )
    await require_embeddings(rooms.embedder)
    progress_id = await rooms.ingest.start_upload(request)
    return answer(
        {"success": True, "progressId": progress_id, "message": "Upload started", "filename": request.filename}
    )


def _tags(text: str) -> tuple[str, ...]:
    if not text.strip():
        return ()
    try:
        return tuple(_TAGS.validate_python(json.loads(text)))
    except (ValueError, RecursionError, ValidationError) as error:
        raise InvalidInput(
            "'tags' must be a JSON list of texts.",
            next_step='Send for example ["python", "asyncio"].',
            context=ErrorContext(field="tags"),
        ) from error
