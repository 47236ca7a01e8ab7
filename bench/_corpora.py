"""Two manuals as corpora, with questions and answers that nobody here wrote.

Both are Debian packages: read where they are installed, else fetched with `apt-get download` and unpacked beside the
cached vectors, nothing installed. Pages are read and cut by the product's own reader.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from src.inference.models import Embedder
from src.ingest.document import Budget, Chunk, Document, ReadRequest
from src.ingest.embedding import Gauge
from src.ingest.extract import read
from src.ingest.intake import DEFAULT_MAX_TOKENS

PYTHON = ("python3.11-doc", "usr/share/doc/python3.11/html")
POSTGRES = ("postgresql-doc-15", "usr/share/doc/postgresql-doc-15/html")
TUNING_SHARE = 0.3
_INDEX_PAGES = re.compile(r"^(genindex.*|py-modindex|search|contents|bookindex)\.html$")
_NUMBER = re.compile(r"^(?:Chapter|Part|Appendix)?\s*[\dA-Z]+(?:\.\d+)*\.\s+")


class CorpusMissing(Exception):
    """The manual can neither be found nor fetched."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as the product would store it; `page` is its file below the manual's folder."""

    page: str
    title: str
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the pages that answer it, by the manual's own index or headings."""

    text: str
    pages: frozenset[str]

    @property
    def share(self) -> float:
        """Where the question falls between 0 and 1 by a hash of its text: what splits tuning from reporting."""
        return _place(self.text)


def manual(package: tuple[str, str], cache: Path) -> Path:
    """The folder with a manual's pages. Raises CorpusMissing."""
    name, inside = package
    for root in (Path("/"), cache / name):
        if (root / inside / "index.html").exists():
            return root / inside
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise CorpusMissing(f"{name} is a Debian package, and this machine has no apt")
    cache.mkdir(parents=True, exist_ok=True)
    fetched = subprocess.run(["apt-get", "download", name], cwd=cache, capture_output=True, text=True, check=False)
    found = sorted(cache.glob(f"{name}_*.deb"))
    if fetched.returncode or not found:
        raise CorpusMissing(f"{name} cannot be fetched (apt-get update?): {fetched.stderr.strip()[-200:]}")
    subprocess.run(["dpkg", "-x", found[-1], cache / name], check=True)
    return cache / name / inside


async def passages(folder: Path, embedder: Embedder, most_pages: int | None = None) -> list[Passage]:
    """Every page of a manual but its indexes, read and cut as the product does it for this embedding model.

    `most_pages`: only so many, chosen by a hash of their names.
    """
    limit = await embedder.max_tokens() or DEFAULT_MAX_TOKENS
    gauge = Gauge(embedder)
    found = []
    for page in _pages(folder, most_pages):
        document = _document(folder / page, page, Budget(limit, gauge.ratio))
        while not await gauge.fits(document.chunks, limit):
            document = _document(folder / page, page, Budget(limit, gauge.ratio))
        found += [Passage(page, document.title, chunk) for chunk in document.chunks]
    return found


def _pages(folder: Path, most: int | None) -> list[str]:
    every = [path.relative_to(folder).as_posix() for path in folder.rglob("*.html")]
    pages = sorted((page for page in every if not _INDEX_PAGES.match(page)), key=_place)
    return sorted(pages[:most])


def _place(text: str) -> float:
    """Where a text falls between 0 and 1 by a hash of it."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _document(path: Path, page: str, budget: Budget) -> Document:
    (document,) = read(ReadRequest("html", f"https://manual.test/{page}", None, page, budget), path.read_bytes())
    return document


def index_terms(folder: Path, known: frozenset[str]) -> list[Asked]:
    """The terms of Python's own index with the pages they point to; those that point to no page are left out."""
    tree = LexborHTMLParser((folder / "genindex-all.html").read_text(errors="replace"))
    targets: dict[str, set[str]] = {}
    for term, reference in _index_entries(tree):
        page = reference.partition("#")[0]
        if page in known:
            targets.setdefault(term, set()).add(page)
    return _by_share(Asked(term, frozenset(pages)) for term, pages in targets.items())


def _index_entries(tree: LexborHTMLParser) -> Iterator[tuple[str, str]]:
    """(term, target). An entry below another is asked with the words of both; `(in module x)` takes the place of
    the bracket above it, which says where the other thing of this name belongs."""
    for item in tree.css("table.genindextable li"):
        parent = item.parent.parent if item.parent is not None else None
        own = _own_text(item)
        above = _own_text(parent) if parent is not None and parent.tag == "li" else ""
        if own.startswith("("):
            above = above.partition(" (")[0]
        term = " ".join(f"{above} {own}".split())
        for node in item.iter():
            if node.tag == "a" and term:
                yield term, node.attributes.get("href") or ""


def _own_text(item: LexborNode) -> str:
    """The words of an entry itself: of its first link, or the bare words before the entries below it."""
    for node in item.iter(include_text=True):
        words = " ".join((node.text() or "").split())
        if words and node.tag in ("a", "-text"):
            return words
    return ""


def heading_questions(folder: Path, known: frozenset[str]) -> list[Asked]:
    """One question for every section heading that stands once in PostgreSQL's manual, by a rule and not by hand."""
    seen: Counter[str] = Counter()
    where: dict[str, str] = {}
    for page in sorted(known):
        for heading in LexborHTMLParser((folder / page).read_text(errors="replace")).css("h3.title"):
            text = _NUMBER.sub("", " ".join(heading.text().replace("\xa0", " ").split()))
            seen[text] += 1
            where[text] = page
    once = (text for text, times in seen.items() if times == 1 and len(text.split()) > 1)
    return _by_share(Asked(f"What does the manual say about {text}?", frozenset((where[text],))) for text in once)


def _by_share(asked: Iterator[Asked]) -> list[Asked]:
    return sorted(asked, key=lambda one: (one.share, one.text))
