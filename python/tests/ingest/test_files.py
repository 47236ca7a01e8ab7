"""Files of every kind, and archives of them: read in a reader process, stored as pages."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import AsyncIterator

import pytest

from src.errors import DocumentTooLarge, DocumentUnreadable
from src.ingest.archive import Archive
from src.ingest.document import Budget, Document, ReadRequest
from src.ingest.kinds import kind_of
from src.ingest.progress import JobProgress
from src.ingest.reader import Readers
from src.ingest.requests import UploadRequest
from src.ingest.service import IngestService
from src.store import pages, sources
from src.store.database import Database
from tests.fakes.model_server import ModelServer

from .files import pdf_with
from .office_files import book_with, paragraph, slides_with, text_cell, word_with, workbook_of, workbook_with, zip_of
from .parts import embedded_texts, ended

BOOK = book_with("The Book", {"One": "First words.", "Two": "Second words."})
WORD = word_with(paragraph("Top", "heading1") + paragraph("if x:", "SourceCode") + paragraph("    y()", "SourceCode"))


@pytest.fixture
async def readers() -> AsyncIterator[Readers]:
    made = Readers(max_processes=1)
    yield made
    await made.close()


async def _read(readers: Readers, name: str, body: bytes) -> tuple[Document, ...]:
    url = f"file:///{name}"
    return await readers.read(ReadRequest(kind_of("", url), url, None, name, Budget(254, 1.3)), body)


async def _uploaded(service: IngestService, name: str, body: bytes) -> JobProgress:
    return await ended(service, await service.start_upload(UploadRequest(name, body)))


@pytest.mark.parametrize(
    ("name", "body", "title", "markdown"),
    [
        ("a.docx", WORD, "a.docx", "# Top\n\n```\nif x:\n    y()\n```"),
        ("a.docx", word_with(paragraph("words"), title="Named"), "Named", "words"),
        ("a.xlsx", workbook_with("Ports", (("name", "port"), ("a|b", "8181"))), "a.xlsx",
         "## Ports\n\n| name | port |\n| --- | --- |\n| a\\|b | 8181 |"),
        ("a.py", b"def f():\n    return 1\n", "a.py", "```python\ndef f():\n    return 1\n```"),
        ("Makefile", b"all:\n\techo ```\n", "Makefile", "````makefile\nall:\n\techo ```\n````"),
    ],
)  # fmt: skip
async def test_a_file_becomes_markdown(readers: Readers, name: str, body: bytes, title: str, markdown: str) -> None:
    (document,) = await _read(readers, name, body)
    assert (document.title, document.markdown.strip()) == (title, markdown)


async def test_cells_that_stand_far_apart_are_read_without_what_lies_between(readers: Readers) -> None:
    rows = f"<row>{text_cell('B2', 'name')}{text_cell('D2', 'port')}</row><row r='9000'><c r='A9000' s='1'/></row>"
    far = f'<row r="1048576"><c t="inlineStr"><is><t>db</t></is></c>{text_cell("XFD1048576", "far")}</row>'
    (document,) = await _read(readers, "a.xlsx", workbook_of("S", rows + far))
    lines = ["|  | name | port |  |", "| --- | --- | --- | --- |", "| db |  |  | far |"]
    assert document.markdown.strip().splitlines()[2:] == lines


async def test_cells_that_are_too_many_are_refused_before_their_places_are_made(readers: Readers) -> None:
    places = (f"{first}{second}" for first in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for second in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    rows = "".join(f"<row>{text_cell(f'{column}{y * 50}', 'x')}</row>" for y in range(1, 4) for column in places)
    rows += "".join(f"<row>{text_cell(f'A{y}', 'x')}</row>" for y in range(1000, 4000))
    with pytest.raises(DocumentTooLarge, match="million cells"):
        await _read(readers, "a.xlsx", workbook_of("S", rows))


async def test_slides_come_with_their_numbers_and_notes(readers: Readers) -> None:
    deck = slides_with(("Plan", ("one", "two")), ("End", ("bye",)), notes="Speak slowly.")
    (document,) = await _read(readers, "a.pptx", deck)
    assert [(chunk.page_number, chunk.text) for chunk in document.chunks] == [
        (1, "# Plan\n\n- one\n- two\n\nNotes: Speak slowly."),
        (2, "# End\n\nbye"),
    ]


async def test_a_book_is_a_page_for_each_chapter(readers: Readers) -> None:
    one, two = await _read(readers, "a.epub", BOOK)
    assert (one.title, one.part, one.whole_title, one.language) == ("One", "chapter-1-one", "The Book", "en")
    assert "Second words." in two.markdown


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("a.docx", b"no zip", "damaged"),
        ("a.docx", zip_of({"x": "y"}), "not a Word document"),
        ("a.docx", WORD[:-200], "damaged"),
        ("a.pptx", BOOK, "not a PowerPoint"),
        ("a.xlsx", zip_of({"x": "y"}), "damaged"),
        ("a.epub", WORD, "not an EPUB"),
        ("a.docx", word_with("<w:p/>"), "no text"),
        ("a.docx", zip_of({"word/document.xml": '<!DOCTYPE d [<!ENTITY a "b">]><d>&a;</d>'}), "entities"),
        ("a.py", b"\x7fELF\x00\x01", "not text"),
    ],
)
async def test_a_file_that_is_not_what_it_says_is_named(readers: Readers, name: str, body: bytes, message: str) -> None:
    with pytest.raises(DocumentUnreadable, match=message):
        await _read(readers, name, body)


def _lying(size: int) -> bytes:
    """An archive whose list of files says another size than the file unpacks to."""
    body = bytearray(zip_of({"a.txt": "x" * 5000}))
    place = body.rfind(b"PK\x01\x02")
    struct.pack_into("<L", body, place + 24, size)
    return bytes(body)


def _with_password() -> bytes:
    body = bytearray(zip_of({"a.txt": "x"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.find(mark) + offset] |= 1
    return bytes(body)


@pytest.mark.parametrize(
    "body",
    [
        zip_of({"bomb.txt": b"\0" * 49_000_000}),
        zip_of({f"{number}.txt": b"\0" * 5_000_000 for number in range(60)}),
        zip_of({f"{number}.txt": "" for number in range(6000)}),
    ],
    ids=["one large file", "many files", "many empty files"],
)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(body: bytes) -> None:
    with pytest.raises(DocumentTooLarge):
        Archive(body)


def test_a_file_never_unpacks_to_more_than_it_said() -> None:
    archive = Archive(_lying(10))
    with pytest.raises(DocumentUnreadable, match="damaged"):
        archive.read("a.txt")


def test_a_password_is_said() -> None:
    with pytest.raises(DocumentUnreadable, match="password"):
        Archive(_with_password())


def test_paths_in_an_archive_lead_nowhere_else() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("../../etc/passwd", "/abs/a.md", "win\\b.md", "folder/"):
            archive.writestr(name, "x")
    assert [member.name for member in Archive(packed.getvalue()).members] == ["etc/passwd", "abs/a.md", "win/b.md"]


async def test_an_archive_is_a_page_for_each_file_under_its_path(service: IngestService, database: Database) -> None:
    body = zip_of(
        {"docs/a.md": "# A\n\nwords of a", "docs/b/paper.pdf": pdf_with("Page words"), "src/x.py": "print('x')\n" * 3,
         "pic.png": b"\x89PNG", "__MACOSX/._a.md": "noise", "book.epub": BOOK, "in.zip": zip_of({"a": "b"}),
         "empty.txt": ""}
    )  # fmt: skip
    end = await _uploaded(service, "all.zip", body)
    prefix = f"file://{end.source_id}/all.zip/"
    stored = sorted(page.url.removeprefix(prefix) for page in await pages.listing(database, end.source_id))
    assert stored == ["book.epub#chapter-1-one", "book.epub#chapter-2-two", "docs/a.md", "docs/b/paper.pdf", "src/x.py"]
    reasons = {failure.url.removeprefix(prefix): failure.error for failure in end.tally.failures}
    assert (end.status, set(reasons)) == ("completed", {"in.zip", "empty.txt"})
    assert "inside of an archive" in reasons["in.zip"]


async def test_an_archive_with_nothing_to_read_has_failed(service: IngestService, database: Database) -> None:
    end = await _uploaded(service, "all.zip", zip_of({"a.png": b"\x89PNG", "b.txt": ""}))
    assert (end.status, end.detail and end.detail["code"]) == ("failed", "nothing_stored")
    assert (await sources.summaries(database)).total == 0


async def test_a_book_that_was_taken_in_is_not_embedded_again(service: IngestService, models: ModelServer) -> None:
    first = await _uploaded(service, "a.epub", BOOK)
    again = await _uploaded(service, "a.epub", BOOK)
    assert (first.tally.pages_stored, again.tally.pages_unchanged, again.status) == (2, 2, "completed")
    assert sum("First words." in text for text in embedded_texts(models)) == 1


async def test_passages_carry_page_number_language_and_links(service: IngestService, database: Database) -> None:
    pdf = await _uploaded(service, "a.pdf", pdf_with("One words"))
    page = b'<html lang="de"><p>Text mit <a href="https://x.org/y">Verweis</a>.</p>'
    html = await _uploaded(service, "a.html", page)
    (first,) = (await pages.chunks(database, pdf.source_id)).items
    (second,) = (await pages.chunks(database, html.source_id)).items
    assert (first.page_number, first.metadata["page_number"]) == (1, 1)
    assert (second.metadata["language"], second.content) == ("de", "Text mit Verweis.")
    assert second.metadata["links"] == [{"text": "Verweis", "url": "https://x.org/y"}]
