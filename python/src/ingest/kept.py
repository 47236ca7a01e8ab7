"""What is kept beside the text of pages, passages and code examples: Archon v1's fields, and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from src.errors import ArchonError, JsonValue
from src.inference.models import Vector
from src.store.code_examples import NewExample

from .document import Chunk, Document, Example

_FENCE = "```"
_SUMMARY_CHARS = 300
_MARKS = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+|\*+|`+", re.M)
"""Markdown's marks of lists, emphasis and code: a summary is shown as it stands."""


def page_metadata(
    shared: Mapping[str, JsonValue], source_id: str, url: str, document: Document
) -> dict[str, JsonValue]:
    """A page's, which goes with each of its passages too; `shared` is the same for all pages of a job."""
    metadata: dict[str, JsonValue] = {
        **shared,
        "title": document.title,
        "url": url,
        "source_id": source_id,
        "page_type": "llms_full_section" if document.part.startswith("section-") else "documentation",
    }
    return metadata | ({"language": document.language} if document.language else {})


def chunk_metadata(chunk: Chunk, chat_model: str) -> dict[str, JsonValue]:
    """A passage's own. `chat_model` is the one that wrote its situation."""
    metadata: dict[str, JsonValue] = {
        "headers": " > ".join(chunk.heading_path),
        "char_count": len(chunk.text),
        "word_count": len(chunk.text.split()),
        "chunk_size": len(chunk.text),
        "has_code": _FENCE in chunk.text,
        "has_links": bool(chunk.links),
        # What was embedded before the passage: another model has to embed the very same text.
        "context": chunk.lead,
    }
    if chunk.situation:
        metadata |= {"contextual_embedding": True, "situation": chunk.situation, "llm_chat_model": chat_model}
    if chunk.links:
        metadata["links"] = [{"text": link.text, "url": link.url} for link in chunk.links]
    return metadata | ({"page_number": chunk.page_number} if chunk.page_number is not None else {})


def notice_of(document: Document, reasons: Sequence[ArchonError]) -> dict[str, JsonValue] | None:
    """What people should know of a page of which some passages were embedded without a context; None: nothing."""
    if not reasons:
        return None
    text = f"{len(reasons)} of {len(document.chunks)} passages were embedded without a context: {reasons[0].message}"
    return {
        "error": text,
        "code": "without_context",
        "next_step": "They are asked about again with the next refresh.",
        "passages": len(reasons),
    }


def new_example(
    shared: Mapping[str, JsonValue], url: str, document: Document, example: Example, vector: Vector
) -> NewExample:
    """A code example for its row; its summary is what is said around it until a model writes a better one."""
    return NewExample(
        code=example.code,
        summary=summary_of(example, document.title),
        language=example.language,
        heading_path=example.heading_path,
        embedded_text=example.embedded_text,
        metadata={
            **{name: shared[name] for name in ("knowledge_type", "tags") if name in shared},
            "source": url,
            "language": example.language,
            "char_count": len(example.code),
            "word_count": len(example.code.split()),
            "example_name": example.name,
            "title": example.name,
            "page_title": document.title,
            "context_before": example.before,
            "context_after": example.after,
        },
        vector=vector,
    )


def summary_of(example: Example, title: str) -> str:
    """One paragraph: the last thing said before the code, else where it stands."""
    said = example.before.strip().rpartition("\n\n")[2].strip() or example.after.strip().partition("\n\n")[0].strip()
    plain = " ".join(_MARKS.sub("", said).split())
    if plain:
        return plain[-_SUMMARY_CHARS:]
    return f"Code from {' > '.join(example.heading_path) or title}."
