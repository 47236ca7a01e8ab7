"""EPUB books to Markdown, chapter by chapter."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from src.errors import DocumentTooLarge, DocumentUnreadable

from .archive import Archive
from .charsets import decode
from .document import clean
from .html_page import read_html
from .markup import parse_xml

_CONTAINER = "META-INF/container.xml"
_PROTECTION = "META-INF/encryption.xml"
_ROOT = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
MAX_CHAPTERS = 3000


@dataclass(frozen=True, slots=True)
class Chapter:
    """One chapter; `title` may be empty."""

    title: str
    markdown: str


@dataclass(frozen=True, slots=True)
class Book:
    """A book. Title may be empty; `language` is the code that it claims."""

    title: str
    language: str | None
    chapters: tuple[Chapter, ...]


def read_book(body: bytes) -> Book:
    """The book in an .epub file; parts without text (covers, pictures) are left out.

    Raises:
        DocumentUnreadable: it is no EPUB, damaged, copy-protected, or has no text.
        DocumentTooLarge: it has too many chapters or unpacks to more than is allowed.
    """
    archive = Archive(body)
    if _CONTAINER not in archive:
        raise DocumentUnreadable("The file is not an EPUB, though it is named or sent as one.")
    root = parse_xml(archive.read(_CONTAINER)).find(f".//{_ROOT}")
    package_path = root.get("full-path", "") if root is not None else ""
    package = parse_xml(archive.read(package_path))
    paths = _spine(package, posixpath.dirname(package_path))
    if len(paths) > MAX_CHAPTERS:
        raise DocumentTooLarge(f"It has {len(paths)} chapters; the limit is {MAX_CHAPTERS}.", next_step="Split it.")
    if _PROTECTION in archive and any(path.encode() in archive.read(_PROTECTION) for path in paths):
        raise DocumentUnreadable("The book is copy-protected.", next_step="Use a copy without protection.")
    chapters = [chapter for path in paths if path in archive and (chapter := _chapter(archive, path))]
    if not chapters:
        raise DocumentUnreadable("The book has no text.", next_step="Leave it out.")
    return Book(_metadata(package, "title"), _metadata(package, "language") or None, tuple(chapters))


def _spine(package: Element, folder: str) -> list[str]:
    """Paths of the chapters in the order they are read."""
    files = {item.get("id", ""): item for item in package.iter(f"{_OPF}item")}
    order = [entry.get("idref", "") for entry in package.iter(f"{_OPF}itemref")]
    chosen = [files[name] for name in order if name in files]
    return [
        posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
        for item in chosen
        if "html" in item.get("media-type", "")
    ]


def _chapter(archive: Archive, path: str) -> Chapter | None:
    try:
        parts = read_html(decode(archive.read(path), None, is_html=True), "")
    except DocumentUnreadable:
        return None  # a cover, or a page that is only a picture
    return Chapter(parts.heading or parts.title, parts.markdown)


def _metadata(package: Element, name: str) -> str:
    found = package.find(f".//{_DC}{name}")
    return clean((found.text or "") if found is not None else "").strip()
