"""Word documents to Markdown: headings, lists, tables and code as they are marked in the file."""

from __future__ import annotations

import io
import zipfile

import mammoth  # type: ignore[import-untyped]

from src.errors import DocumentUnreadable

from .archive import Archive
from .document import clean
from .html_page import to_markdown
from .markup import parse_xml

_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='Source Code'] => pre:separator('\\n')
p[style-name='Code'] => pre:separator('\\n')
p[style-name='HTML Preformatted'] => pre:separator('\\n')
p[style-name='Plain Text'] => pre:separator('\\n')
"""
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_CORE = "docProps/core.xml"
_TEXT = "word/document.xml"


def read_word(body: bytes) -> tuple[str, str]:
    """Title (may be empty) and Markdown of a .docx file.

    Raises:
        DocumentUnreadable: it is no Word document, damaged, or wants a password.
        DocumentTooLarge: it unpacks to more than is allowed.
    """
    archive = Archive(body)
    if _TEXT not in archive:
        raise DocumentUnreadable("The file is not a Word document, though it is named or sent as one.")
    parse_xml(archive.read(_TEXT))  # refused here if it defines entities: the converter would expand them
    try:
        # No picture is read, also none that the file only points to.
        html = mammoth.convert_to_html(io.BytesIO(body), style_map=_STYLES, convert_image=lambda _image: []).value
    except (zipfile.BadZipFile, KeyError, ValueError, AttributeError, TypeError, IndexError) as error:
        raise DocumentUnreadable(f"The Word document is damaged ({type(error).__name__}).") from error
    return title_of(archive), clean(to_markdown(html, ""))


def title_of(archive: Archive) -> str:
    """The title in an office file's properties, blank where there is none. Raises DocumentUnreadable."""
    if _CORE not in archive:
        return ""
    found = parse_xml(archive.read(_CORE)).find(_TITLE)
    return clean((found.text or "") if found is not None else "").strip()
