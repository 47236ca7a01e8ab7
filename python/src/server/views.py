"""How stored things look in REST: v1's field names, with ours beside them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from src.errors import JsonValue
from src.store.code_examples import CodeExample
from src.store.pages import PageListing, StoredChunk, StoredPage
from src.store.sources import LastJob, SourceProblem, SourceSummary

JsonObject = dict[str, JsonValue]
_WORDS_PER_BOOK_PAGE = 250


def source_item(source: SourceSummary) -> JsonObject:
    """An item of GET /api/knowledge-items/summary."""
    return {
        "source_id": source.source_id,
        "title": source.title or source.display_name,
        "url": source.url or f"source://{source.source_id}",
        "status": _text(source, "status", "active"),
        "document_count": source.chunk_count,
        "code_examples_count": source.code_examples_count,
        "knowledge_type": _text(source, "knowledge_type", "technical"),
        "source_type": _text(source, "source_type", "url"),
        "created_at": _iso(source.created_at),
        "updated_at": _iso(source.updated_at),
        "metadata": dict(source.metadata),
        "page_count": source.page_count,
        "word_count": source.word_count,
        "char_count": source.char_count,
        "languages": list(source.languages),
        "last_read_at": _iso(source.last_read_at),
        "next_refresh_at": _iso(source.next_refresh_at),
        "last_job": _last_job(source.last_job),
    }


def source_detail(source: SourceSummary, problems: Sequence[SourceProblem]) -> JsonObject:
    """GET /api/knowledge-items/{id}: the item of the list, and what failed in its newest job."""
    found: list[JsonValue] = [
        {
            "url": problem.url,
            "error": problem.error.get("error") or "It failed without a reason.",
            "code": problem.error.get("code"),
            "next_step": problem.error.get("next_step"),
        }
        for problem in problems
    ]
    return {**source_item(source), "problems": found}


def source_with_metadata(source: SourceSummary) -> JsonObject:
    """An item of GET /api/knowledge-items, as v1 nests it."""
    examples: list[JsonValue] = [{"count": source.code_examples_count}] if source.code_examples_count else []
    metadata: JsonObject = {
        "knowledge_type": _text(source, "knowledge_type", "technical"),
        "tags": source.metadata.get("tags") or [],
        "source_type": _text(source, "source_type", "url"),
        "status": "active",
        "description": source.summary,
        "chunks_count": source.chunk_count,
        "word_count": source.word_count,
        "estimated_pages": round(source.word_count / _WORDS_PER_BOOK_PAGE, 1),
        "pages_tooltip": f"{source.page_count} pages, {source.word_count} words",
        "last_scraped": _iso(source.updated_at),
        "file_name": source.metadata.get("filename"),
        "file_type": source.metadata.get("file_type"),
        "update_frequency": source.metadata.get("update_frequency", 7),
        "code_examples_count": source.code_examples_count,
    }
    return {
        "id": source.source_id,
        "title": source.title or source.display_name,
        "url": source.url or f"source://{source.source_id}",
        "source_id": source.source_id,
        "source_type": _text(source, "source_type", "url"),
        "code_examples": examples,
        "metadata": metadata | dict(source.metadata),
        "created_at": _iso(source.created_at),
        "updated_at": _iso(source.updated_at),
    }


def source_for_rag(source: SourceSummary) -> JsonObject:
    """An item of GET /api/rag/sources."""
    return {
        "source_id": source.source_id,
        "title": source.title or source.display_name,
        "summary": source.summary,
        "metadata": dict(source.metadata),
        "total_words": source.word_count,
        "update_frequency": source.metadata.get("update_frequency", 7),
        "created_at": _iso(source.created_at),
        "updated_at": _iso(source.updated_at),
        "url": source.url,
    }


def chunk_item(chunk: StoredChunk) -> JsonObject:
    """A chunk of GET /api/knowledge-items/{id}/chunks."""
    return {
        "id": chunk.id,
        "source_id": chunk.source_id,
        "content": chunk.content,
        "metadata": dict(chunk.metadata),
        "url": chunk.url,
        "title": chunk.title or (chunk.heading_path[0] if chunk.heading_path else urlsplit(chunk.url).path),
        "section": " › ".join(chunk.heading_path) or None,
        "source_type": chunk.metadata.get("source_type"),
        "knowledge_type": chunk.metadata.get("knowledge_type"),
        "heading_path": list(chunk.heading_path),
        "page_id": chunk.page_id,
        "page_number": chunk.page_number,
        "chunk_number": chunk.chunk_number,
        "token_count": chunk.token_count,
    }


def code_example_item(example: CodeExample) -> JsonObject:
    """A code example of GET /api/knowledge-items/{id}/code-examples."""
    named = example.metadata.get("title") or example.metadata.get("example_name")
    return {
        "id": example.id,
        "source_id": example.source_id,
        "content": example.content,
        "summary": example.summary,
        "metadata": dict(example.metadata),
        "title": named,
        "example_name": example.metadata.get("example_name"),
        "language": example.language,
        "file_path": example.metadata.get("file_path"),
        "url": example.url,
        "page_id": example.page_id,
        "heading_path": list(example.heading_path),
    }


def page_item(page: PageListing) -> JsonObject:
    """A page of GET /api/pages."""
    return {
        "id": page.id,
        "url": page.url,
        "title": page.title,
        "section_title": page.section_title,
        "section_order": page.section_order,
        "word_count": page.word_count,
        "char_count": page.char_count,
        "chunk_count": page.chunk_count,
        "fetched_at": _iso(page.fetched_at),
    }


def whole_page(page: StoredPage) -> JsonObject:
    """GET /api/pages/{id} and /api/pages/by-url."""
    return {
        "id": page.id,
        "source_id": page.source_id,
        "url": page.url,
        "title": page.title,
        "full_content": page.full_content,
        "section_title": page.section_title,
        "section_order": page.section_order,
        "word_count": page.word_count,
        "char_count": page.char_count,
        "chunk_count": page.chunk_count,
        "language": page.language,
        "metadata": dict(page.metadata),
        "created_at": _iso(page.created_at),
        "updated_at": _iso(page.updated_at),
        "fetched_at": _iso(page.fetched_at),
    }


def _last_job(job: LastJob | None) -> JsonObject | None:
    if job is None:
        return None
    return {
        "progressId": job.id,
        "status": job.state,
        "finished_at": _iso(job.finished_at),
        "stored_pages": job.stored_pages,
        "failed_pages": job.failed_pages,
        "error": job.error,
    }


def _text(source: SourceSummary, name: str, default: str) -> str:
    value = source.metadata.get(name)
    return value if isinstance(value, str) and value else default


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
