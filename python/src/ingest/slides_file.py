"""PowerPoint files to Markdown, slide by slide: titles, lists, tables and what the speaker noted."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from src.errors import DocumentTooLarge, DocumentUnreadable

from .archive import Archive
from .document import clean
from .markup import parse_xml, table
from .word_file import title_of

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_DECK = "ppt/presentation.xml"
_TITLES = frozenset({"title", "ctrTitle"})
_NUMBERS = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})
MAX_SLIDES = 2000


def read_slides(body: bytes) -> tuple[str, list[str]]:
    """Title (may be empty) and the Markdown of each slide.

    Raises:
        DocumentUnreadable: it is no PowerPoint file, or damaged.
        DocumentTooLarge: it has too many slides or unpacks to more than is allowed.
    """
    archive = Archive(body)
    if _DECK not in archive:
        raise DocumentUnreadable("The file is not a PowerPoint file, though it is named or sent as one.")
    targets = _targets(archive, _DECK)
    order = [entry.get(f"{_R}id", "") for entry in parse_xml(archive.read(_DECK)).iter(f"{_P}sldId")]
    if len(order) > MAX_SLIDES:
        raise DocumentTooLarge(f"It has {len(order)} slides; the limit is {MAX_SLIDES}.", next_step="Split it.")
    slides = [targets[name][1] for name in order if name in targets]
    return title_of(archive), [clean(_slide(archive, path)) for path in slides]


def _targets(archive: Archive, path: str) -> dict[str, tuple[str, str]]:
    """What a part of the file refers to: by the reference's id, its kind and the path of its target."""
    folder, name = posixpath.split(path)
    relations = f"{folder}/_rels/{name}.rels"
    if relations not in archive:
        return {}
    found: dict[str, tuple[str, str]] = {}
    for entry in parse_xml(archive.read(relations)):
        target = entry.get("Target", "")
        whole = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        if entry.get("TargetMode") != "External" and whole in archive:
            found[entry.get("Id", "")] = (entry.get("Type", "").rpartition("/")[2], whole)
    return found


def _slide(archive: Archive, path: str) -> str:
    parts = list(_shapes(parse_xml(archive.read(path))))
    notes = [target for kind, target in _targets(archive, path).values() if kind == "notesSlide"]
    for target in notes:
        said = "\n\n".join(_shapes(parse_xml(archive.read(target))))
        if said.strip():
            parts.append(f"Notes: {said}")
    return "\n\n".join(part for part in parts if part.strip())


def _shapes(root: Element) -> Iterator[str]:
    for node in root.iter():
        if node.tag == f"{_P}sp":
            place = node.find(f"./{_P}nvSpPr/{_P}nvPr/{_P}ph")
            kind = place.get("type", "body") if place is not None else "body"
            if kind in _TITLES:
                yield f"# {' '.join(' '.join(_paragraph(one) for one in node.iter(f'{_A}p')).split())}"
            elif kind not in _NUMBERS:
                yield "\n".join(_lines(node))
        elif node.tag == f"{_A}tbl":
            yield table([[_cell(cell) for cell in row.iter(f"{_A}tc")] for row in node.iter(f"{_A}tr")])


def _lines(shape: Element) -> list[str]:
    """The paragraphs of a shape; several are a list, indented as on the slide."""
    found = [(_level(one), _paragraph(one).strip()) for one in shape.iter(f"{_A}p")]
    lines = [(level, text) for level, text in found if text]
    if len(lines) < 2:
        return [text for _, text in lines]
    return [f"{'  ' * level}- {text}" for level, text in lines]


def _level(paragraph: Element) -> int:
    properties = paragraph.find(f"{_A}pPr")
    level = properties.get("lvl", "0") if properties is not None else "0"
    return min(int(level), 8) if level.isdigit() else 0


def _paragraph(paragraph: Element) -> str:
    words = []
    for node in paragraph.iter():
        if node.tag == f"{_A}t":
            words.append(node.text or "")
        elif node.tag == f"{_A}br":
            words.append(" ")
    return "".join(words)


def _cell(cell: Element) -> str:
    return " ".join(_paragraph(one) for one in cell.iter(f"{_A}p"))
