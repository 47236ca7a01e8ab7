"""From a body to a document: read by its kind, cut into chunks."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from src.errors import DocumentTooLarge, DocumentUnreadable

from . import chunk
from .document import Budget, Chunk, Document, Kind, Link, ReadRequest
from .html_page import read_html
from .pdf_file import read_pdf
from .text_file import decode, read_markdown

_KINDS_BY_TYPE: dict[str, Kind] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    "text/plain": "text",
    "text/x-rst": "text",
}
_KINDS_BY_ENDING: dict[str, Kind] = {
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".mdx": "markdown",
    ".markdown": "markdown",
    ".pdf": "pdf",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
}
MAX_CHARS = 5_000_000
"""Text of one document; some ten thick books."""
READABLE = ", ".join(("HTML", "Markdown", "text", "PDF"))


def kind_of(content_type: str, name: str) -> Kind:
    """What a body is, from its type, else from the ending of its name.

    Raises:
        DocumentUnreadable: nothing that Archon reads.
    """
    ending = PurePosixPath(urlsplit(name).path.lower()).suffix
    by_ending = _KINDS_BY_ENDING.get(ending)
    by_type = _KINDS_BY_TYPE.get(content_type)
    if by_type == "text" and by_ending in ("markdown", "text"):
        return by_ending  # servers send Markdown as text/plain
    if by_type:
        return by_type
    if by_ending and content_type in ("", "application/octet-stream", "binary/octet-stream"):
        return by_ending
    if content_type.startswith("text/") and ending != ".xml":
        return "text"
    raise DocumentUnreadable(
        f"'{content_type or ending or name}' is not something that Archon reads.",
        next_step=f"Archon reads {READABLE}.",
    )


def read(request: ReadRequest, body: bytes) -> Document:
    """The document in `body`.

    Raises:
        DocumentUnreadable: it has no text, or is not what it says.
        DocumentTooLarge: it has too many pages or too much text.
    """
    if request.kind == "pdf":
        return _pdf(request, body)
    text = decode(body, request.charset, is_html=request.kind == "html")
    if request.kind == "html":
        parts = read_html(text, request.url)
        return _document(request, parts.title, parts.language, parts.markdown, parts.links)
    title, markdown, links = read_markdown(text, request.url)
    return _document(request, title, None, markdown, links)


def _pdf(request: ReadRequest, body: bytes) -> Document:
    title, pages = read_pdf(body)
    name = title or _name(request)
    chunks = [
        part
        for number, page in enumerate(pages, start=1)
        for part in chunk.chunks_of(page, request.budget, title=name, page_number=number)
    ]
    return _assembled(request.budget, name, None, "\n\n".join(page for page in pages if page), (), chunks)


def _document(
    request: ReadRequest, title: str, language: str | None, markdown: str, links: tuple[Link, ...]
) -> Document:
    if len(markdown) > MAX_CHARS:
        raise DocumentTooLarge(
            f"It holds {len(markdown) / 1e6:.0f} million characters; the limit is {MAX_CHARS / 1e6:.0f} million.",
            next_step="Split it into smaller parts.",
        )
    name = title or _name(request)
    return _assembled(
        request.budget, name, language, markdown, links, chunk.chunks_of(markdown, request.budget, title=name)
    )


def _assembled(
    budget: Budget, title: str, language: str | None, markdown: str, links: tuple[Link, ...], chunks: list[Chunk]
) -> Document:
    if not chunks:
        raise DocumentUnreadable("It has no text.", next_step="Leave it out.")
    identity = json.dumps([chunk.VERSION, budget.max_tokens, title, markdown])
    return Document(
        title=title[:500],
        language=language,
        markdown=markdown,
        word_count=len(markdown.split()),
        content_hash=hashlib.sha256(identity.encode()).hexdigest(),
        links=links,
        chunks=tuple(chunks),
    )


def _name(request: ReadRequest) -> str:
    """A name for a document without a title: the link's text or the file's name, else the end of the address."""
    parts = urlsplit(request.url)
    return request.label or unquote(PurePosixPath(parts.path).name) or parts.netloc or "Untitled"
