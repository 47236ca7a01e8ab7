"""Office files, books and archives made for tests: as small as their formats allow."""

from __future__ import annotations

import io
import zipfile
from html import escape

_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_RELATIONS = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SLIDE = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="' + _OFFICE + '"'
)
_SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="' + _OFFICE + '"'


def zip_of(files: dict[str, str | bytes]) -> bytes:
    """A zip archive of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def word_with(body: str, *, title: str = "") -> bytes:
    """A Word document of WordprocessingML paragraphs."""
    core = f'<c xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></c>'
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{name.replace(" ", "")}"><w:name w:val="{name}"/></w:style>'
        for name in ("heading 1", "Source Code")
    )
    return zip_of(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": _relations({"rId1": ("officeDocument", "word/document.xml")}),
            "word/document.xml": f"<w:document {_WORD}><w:body>{body}</w:body></w:document>",
            "word/styles.xml": f"<w:styles {_WORD}>{styles}</w:styles>",
            "word/_rels/document.xml.rels": _relations({"rId1": ("styles", "styles.xml")}),
            "docProps/core.xml": core,
        }
    )


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of Word."""
    named = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{named}<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def slides_with(*slides: tuple[str, tuple[str, ...]], notes: str = "") -> bytes:
    """A deck of slides: a title and points each; `notes` are the speaker's on the first one."""
    entries = "".join(f'<p:sldId id="{256 + n}" r:id="rId{n}"/>' for n in range(len(slides)))
    files: dict[str, str | bytes] = {
        "ppt/presentation.xml": f"<p:presentation {_SLIDE}><p:sldIdLst>{entries}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": _relations(
            {f"rId{n}": ("slide", f"slides/slide{n}.xml") for n in range(len(slides))}
        ),
    }
    for number, (title, points) in enumerate(slides):
        shapes = _shape("title", (title,)) + _shape("body", points)
        files[f"ppt/slides/slide{number}.xml"] = f"<p:sld {_SLIDE}><p:spTree>{shapes}</p:spTree></p:sld>"
    if notes:
        files["ppt/slides/_rels/slide0.xml.rels"] = _relations({"rId1": ("notesSlide", "../notesSlides/n.xml")})
        files["ppt/notesSlides/n.xml"] = f"<p:notes {_SLIDE}>{_shape('body', (notes,))}</p:notes>"
    return zip_of(files)


def workbook_with(name: str, rows: tuple[tuple[str, ...], ...]) -> bytes:
    """A workbook of one sheet of texts."""
    return workbook_of(
        name,
        "".join(
            f'<row r="{y}">' + "".join(text_cell(f"{chr(65 + x)}{y}", value) for x, value in enumerate(row)) + "</row>"
            for y, row in enumerate(rows, start=1)
        ),
    )


def text_cell(place: str, text: str) -> str:
    """A cell of a sheet, at a place like `B2`."""
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def workbook_of(name: str, rows: str) -> bytes:
    """A workbook of one sheet with these rows, in XML."""
    entry = f'<sheet name="{name}" sheetId="1" r:id="rId1"/>'
    sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    return zip_of(
        {
            "[Content_Types].xml": f'<Types><Override PartName="/xl/workbook.xml" ContentType="{sheet}"/></Types>',
            "_rels/.rels": _relations({"rId1": ("officeDocument", "xl/workbook.xml")}),
            "xl/workbook.xml": f"<workbook {_SHEET}><sheets>{entry}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": _relations({"rId1": ("worksheet", "worksheets/sheet1.xml")}),
            "xl/worksheets/sheet1.xml": f"<worksheet {_SHEET}><sheetData>{rows}</sheetData></worksheet>",
        }
    )


def book_with(title: str, chapters: dict[str, str]) -> bytes:
    """An EPUB whose chapters have these titles and texts."""
    items = "".join(
        f'<item id="c{n}" href="text/{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    files: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<metadata><dc:title>{title}</dc:title><dc:language>en</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
    }
    for number, (name, text) in enumerate(chapters.items()):
        files[f"OEBPS/text/{number}.xhtml"] = f"<html><body><h1>{name}</h1><p>{text}</p></body></html>"
    return zip_of(files)


def _relations(targets: dict[str, tuple[str, str]]) -> str:
    entries = "".join(
        f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f"<Relationships {_RELATIONS}>{entries}</Relationships>"


def _shape(kind: str, lines: tuple[str, ...]) -> str:
    texts = "".join(f"<a:p><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in lines)
    return f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody>{texts}</p:txBody></p:sp>'
