"""What a start address is: a page, a sitemap, a list of links, a whole documentation in one file."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from .sections import is_full
from .sitemap import is_sitemap

_TEXT_ENDINGS = frozenset({".txt", ".md", ".mdx", ".markdown"})


def crawl_type_of(url: str) -> str:
    """Archon v1's word for what a start address is: sitemap, llms_full, llms-txt, text_file or normal."""
    if is_sitemap(url):
        return "sitemap"
    if is_full(url):
        return "llms_full"
    if PurePosixPath(urlsplit(url).path.lower()).suffix in _TEXT_ENDINGS:
        return "llms-txt" if "llms" in url.lower() else "text_file"
    return "normal"


def leads_on(crawl_type: str) -> bool:
    """Whether the links of a start address are what is wanted of it."""
    return crawl_type == "llms-txt"
