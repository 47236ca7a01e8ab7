"""PDF to text, page by page."""

from __future__ import annotations

import pypdfium2  # type: ignore[import-untyped]

from src.errors import DocumentTooLarge, DocumentUnreadable

from .document import clean

MAX_PAGES = 5000
_PASSWORD_WORD = "password"  # noqa: S105 - a word in pdfium's message


def read_pdf(body: bytes) -> tuple[str, list[str]]:
    """Title (may be empty) and the text of each page; a page without text is an empty string.

    Raises:
        DocumentUnreadable: it is no PDF, it is damaged, it wants a password, or it has no text.
        DocumentTooLarge: it has more pages than the limit.
    """
    if b"%PDF-" not in body[:1024]:
        raise DocumentUnreadable("The file is not a PDF, though it is named or sent as one.")
    try:
        document = pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        raise _unreadable(error) from error
    try:
        return _title(document), _pages(document)
    except pypdfium2.PdfiumError as error:
        raise _unreadable(error) from error
    finally:
        document.close()


def _title(document: pypdfium2.PdfDocument) -> str:
    return clean(str(document.get_metadata_dict().get("Title") or "")).strip()


def _pages(document: pypdfium2.PdfDocument) -> list[str]:
    if len(document) > MAX_PAGES:
        raise DocumentTooLarge(
            f"The PDF has {len(document)} pages; the limit is {MAX_PAGES}.", next_step="Split it into parts."
        )
    pages = []
    for page in document:
        text = page.get_textpage()
        pages.append(clean(text.get_text_range()).strip())
        text.close()
        page.close()
    if not any(pages):
        raise DocumentUnreadable(
            "The PDF holds no text, only images.", next_step="Run a text recognition (OCR) over it and upload it again."
        )
    return pages


def _unreadable(error: pypdfium2.PdfiumError) -> DocumentUnreadable:
    if _PASSWORD_WORD in str(error).lower():
        return DocumentUnreadable("The PDF wants a password.", next_step="Save it without a password and upload that.")
    return DocumentUnreadable(f"The PDF is damaged: {error}")
