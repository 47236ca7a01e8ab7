"""Markdown and plain text: title, links, and the text as it is."""

from __future__ import annotations

import re

from .addresses import joined
from .document import Link

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.S)
_FRONT_TITLE = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.M)
_HEADING = re.compile(r"^#\s+(.+?)\s*#*$", re.M)
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(\s*<?([^)\s>]+)>?[^)]*\)|<(https?://[^>\s]+)>")


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
