"""From a body to its documents: read by its kind, cut into chunks, looked through for code examples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from src.errors import DocumentTooLarge, DocumentUnreadable

from . import chunk
from .blocks import sections_of
from .book_file import read_book
from .charsets import decode
from .document import Chunk, Document, Example, Link, ReadRequest
from .examples import examples_in
from .html_page import read_html
from .kinds import language_of
from .markup import fenced
from .pdf_file import read_pdf
from .sections import is_full, slug, split
from .sheet_file import read_workbook
from .slides_file import read_slides
from .text_file import read_markdown
from .word_file import read_word

MAX_CHARS = 5_000_000
"""Text of one document; some ten thick books."""
MAX_WHOLE_CHARS = 20_000_000
"""Text of one body with several documents in it."""


def read(request: ReadRequest, body: bytes) -> tuple[Document, ...]:
    """The documents in `body`: one, or one for each chapter of a book and each part of a llms-full.txt.

    Raises:
        NeedsBrowser: a page that shows its text only with JavaScript.
        DocumentUnreadable: it has no text, or is not what it says.
        DocumentTooLarge: it has too many pages or too much text.
    """
    if request.kind in ("pdf", "pptx"):
        return (_paged(request, *(read_pdf(body) if request.kind == "pdf" else read_slides(body))),)
    if request.kind in ("docx", "xlsx"):
        title, markdown = read_word(body) if request.kind == "docx" else read_workbook(body)
        return (_document(request, title, None, markdown, ()),)
    if request.kind == "epub":
        return _book(request, body)
    if request.kind == "zip":
        raise DocumentUnreadable(
            "An archive inside of a site or of another archive is not opened.",
            next_step="Download it and upload it as a file.",
        )
    return _text(request, decode(body, request.charset, is_html=request.kind == "html"))


def _text(request: ReadRequest, text: str) -> tuple[Document, ...]:
    if request.kind == "html":
        page = read_html(text, request.url)
        document = _document(request, page.title, page.language, page.markdown, page.links)
        return (replace(document, is_thin=page.is_thin),)
    if request.kind == "code":
        code = fenced(text.strip("\n"), language_of(request.url) or "")
        return (_document(request, _name(request), None, code if text.strip() else "", ()),)
    title, markdown, links = read_markdown(text, request.url)
    if is_full(request.url):
        return _parts(request, title, markdown)
    return (_document(request, title, None, markdown, links),)


def _parts(request: ReadRequest, title: str, markdown: str) -> tuple[Document, ...]:
    """The parts of a whole documentation; what has no text of its own is left out."""
    _within(markdown, MAX_WHOLE_CHARS)
    documents = [
        replace(_document(request, part.title, None, part.text, ()), part=part.fragment, whole_title=title)
        for part in split(markdown)
        if part.text.strip()
    ]
    return _some(documents)


def _book(request: ReadRequest, body: bytes) -> tuple[Document, ...]:
    book = read_book(body)
    _within("".join(chapter.markdown for chapter in book.chapters), MAX_WHOLE_CHARS)
    documents = []
    for number, chapter in enumerate(book.chapters, start=1):
        title = chapter.title or f"Part {number}"
        made = _document(request, title, book.language, chapter.markdown, ())
        part = f"chapter-{number}-{slug(title)}"
        documents.append(replace(made, part=part, whole_title=book.title or _name(request)))
    return _some(documents)


def _some(documents: Sequence[Document]) -> tuple[Document, ...]:
    if not documents:
        raise _no_text()
    return tuple(documents)


def _paged(request: ReadRequest, title: str, pages: Sequence[str]) -> Document:
    name = title or _name(request)
    chunks = [
        part
        for number, page in enumerate(pages, start=1)
        for part in chunk.chunks_of(page, request.budget, title=name, page_number=number)
    ]
    return _assembled(request, name, None, "\n\n".join(page for page in pages if page), (), chunks, ())


def _document(
    request: ReadRequest, title: str, language: str | None, markdown: str, links: tuple[Link, ...]
) -> Document:
    _within(markdown, MAX_CHARS)
    name = title or _name(request)
    sections = list(sections_of(markdown))
    chunks = chunk.chunks_in(sections, request.budget, title=name)
    examples = examples_in(sections, request.budget, request.rules, title=name)
    return _assembled(request, name, language, markdown, links, chunks, examples)


def _within(markdown: str, limit: int) -> None:
    if len(markdown) > limit:
        raise DocumentTooLarge(
            f"It holds {len(markdown) / 1e6:.0f} million characters; the limit is {limit / 1e6:.0f} million.",
            next_step="Split it into smaller parts.",
        )


def _assembled(
    request: ReadRequest,
    title: str,
    language: str | None,
    markdown: str,
    links: tuple[Link, ...],
    chunks: list[Chunk],
    examples: tuple[Example, ...],
) -> Document:
    if not chunks:
        raise _no_text()
    identity = json.dumps([chunk.reading(request), title, markdown])
    return Document(
        title=title[:500],
        language=language,
        markdown=markdown,
        word_count=len(markdown.split()),
        content_hash=hashlib.sha256(identity.encode()).hexdigest(),
        links=links,
        chunks=tuple(chunks),
        examples=examples,
    )


def _no_text() -> DocumentUnreadable:
    return DocumentUnreadable("It has no text.", next_step="Leave it out.")


def _name(request: ReadRequest) -> str:
    """A name for a document without a title: the link's text or the file's name, else the end of the address."""
    parts = urlsplit(request.url)
    return request.label or unquote(PurePosixPath(parts.path).name) or parts.netloc or "Untitled"
