"""Markdown and plain text: title, links, and the text as it is."""

from __future__ import annotations

import codecs
import re

from src.errors import DocumentUnreadable

from .addresses import joined
from .document import Link, clean

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.S)
_FRONT_TITLE = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.M)
_HEADING = re.compile(r"^#\s+(.+?)\s*#*$", re.M)
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(\s*<?([^)\s>]+)>?[^)]*\)|<(https?://[^>\s]+)>")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.I)
_MOST_STRANGE = 0.02
"""Share of control signs in what is still text."""
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode(body: bytes, charset: str | None, *, is_html: bool = False) -> str:
    """`body` as text: by its byte order mark, the declared charset, HTML's meta, UTF-8, and at last Windows-1252.

    A declared charset that the bytes do not fit is not believed.

    Raises:
        DocumentUnreadable: the bytes are no text at all.
    """
    for mark, unicode_name in _BOMS:
        if body.startswith(mark):
            return clean(body.decode(unicode_name, "replace"))
    if b"\0" in body[:1000] and charset is None and not _is_text_with_nuls(body):
        raise DocumentUnreadable("The file is not text.", next_step="Upload it in a format that Archon reads.")
    meta = _META_CHARSET.search(body[:4096]) if is_html else None
    in_meta = meta.group(1).decode("ascii") if meta else None
    for name in (charset, in_meta, "utf-8"):
        text = _strictly(body, name)
        if text is not None:
            return clean(text)
    return clean(body.decode("cp1252", "replace"))


def _is_text_with_nuls(body: bytes) -> bool:
    """Whether only stray NULs, which are left out, keep the bytes from being plain text."""
    text = _strictly(body, "utf-8")
    if text is None:
        return False
    start = text[:1000]
    strange = sum(sign < " " and sign not in "\0\t\n\r\f\x1b" for sign in start)
    return strange <= len(start) * _MOST_STRANGE and start.count("\0") <= len(start) / 2


def _strictly(body: bytes, charset: str | None) -> str | None:
    if not charset:
        return None
    try:
        return body.decode(charset)
    except (LookupError, UnicodeDecodeError, ValueError):
        return None


def read_markdown(text: str, url: str) -> tuple[str, str, tuple[Link, ...]]:
    """Title (may be empty), Markdown without its front matter, and links. The text is otherwise unchanged."""
    front = _FRONT_MATTER.match(text)
    named = _FRONT_TITLE.search(front.group(1)) if front else None
    body = text[front.end() :] if front else text
    heading = _HEADING.search(body)
    first = named or heading
    title = str(first.group(1)) if first else ""
    found: dict[str, Link] = {}
    for match in _LINK.finditer(body):
        target = joined(url, match.group(2) or match.group(3))
        if target is not None:
            found.setdefault(target, Link(target, (match.group(1) or "")[:200]))
    return title.strip(), body, tuple(found.values())
