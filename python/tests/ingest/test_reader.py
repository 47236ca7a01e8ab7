"""Reading real bodies in reader processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from src.errors import DocumentTooLarge, DocumentUnreadable
from src.ingest.document import Budget, Document, Kind, ReadRequest
from src.ingest.kinds import kind_of
from src.ingest.reader import Readers

from .files import pdf_with


@pytest.fixture
async def readers() -> AsyncIterator[Readers]:
    made = Readers(max_processes=1)
    yield made
    await made.close()


async def _read(readers: Readers, kind: Kind, body: str | bytes, charset: str | None = "utf-8") -> Document:
    request = ReadRequest(kind, "http://x.org/docs/page.html", charset, "", Budget(254, 1.3))
    return (await readers.read(request, body.encode() if isinstance(body, str) else body))[0]


PAGE = """<html lang="en"><head><title> The  title </title></head><body>
<nav><a href="/menu">menu words</a></nav><main><h1>Head<a class="headerlink" href="#x">¶</a></h1>
<p>Text with <a href="other.html">a link</a>.</p>
<div class="highlight-python3"><div class="highlight"><pre><span>if</span> a &lt; b:
    <span>print</span>("*x*  _y_")
</pre></div></div>
<table><tr><th>k</th></tr><tr><td>v</td></tr></table></main><footer>foot words</footer></body></html>"""


async def test_a_page_is_its_main_content(readers: Readers) -> None:
    document = await _read(readers, "html", PAGE)
    assert (document.title, document.language) == ("The title", "en")
    assert "menu words" not in document.markdown
    assert "foot words" not in document.markdown
    assert "¶" not in document.markdown
    assert "[a link](http://x.org/docs/other.html)" in document.markdown


async def test_code_comes_character_for_character(readers: Readers) -> None:
    document = await _read(readers, "html", PAGE)
    assert '```python3\nif a < b:\n    print("*x*  _y_")\n```' in document.markdown


async def test_links_come_from_the_whole_page_resolved(readers: Readers) -> None:
    links = (await _read(readers, "html", PAGE + '<a rel="nofollow" href="/no">n</a>')).links
    assert [link.url for link in links] == [
        "http://x.org/menu",
        "http://x.org/docs/other.html",
    ]


async def test_an_article_list_is_not_cut_to_its_first_article(readers: Readers) -> None:
    document = await _read(readers, "html", "<body><article>first part</article><article>second part</article></body>")
    assert "second part" in document.markdown


@pytest.mark.parametrize(
    ("body", "charset", "expected"),
    [
        ("ü".encode("latin-1"), "utf-8", "ü"),
        ("ü".encode(), "no-such-charset", "ü"),
        (b'<meta charset="windows-1251">' + "Ж".encode("cp1251"), None, "Ж"),
        ("日本".encode("shift_jis"), "shift_jis", "日本"),
        (b"plain\x00NUL\x0bed", "utf-8", "plainNULed"),
    ],
)
async def test_wrong_and_missing_charsets_are_survived(
    readers: Readers, body: bytes, charset: str | None, expected: str
) -> None:
    assert (await _read(readers, "html", b"<p>" + body + b"</p>", charset)).markdown.strip() == expected


async def test_a_byte_order_mark_counts_more_than_a_header(readers: Readers) -> None:
    assert (await _read(readers, "text", b"\xef\xbb\xbf" + "é".encode(), "latin-1")).markdown == "é"
    assert (await _read(readers, "text", "\ufeffé".encode("utf-16-le"), None)).markdown == "é"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "no text"),
        ("<body><main></main></body>", "no text"),
        ("<div id=app></div><script>run()</script>", "JavaScript"),
    ],
)
async def test_a_page_without_text_is_said_to_have_none(readers: Readers, body: str, message: str) -> None:
    with pytest.raises(DocumentUnreadable, match=message) as caught:
        await _read(readers, "html", body)
    assert caught.value.next_step


async def test_deep_nesting_is_survived(readers: Readers) -> None:
    document = await _read(readers, "html", "<div>" * 30_000 + "deep words" + "</div>" * 30_000)
    assert "deep words" in document.markdown


async def test_a_pdf_comes_with_page_numbers(readers: Readers) -> None:
    document = await _read(readers, "pdf", pdf_with("First page words", "", "Third page words"), None)
    assert [(chunk.page_number, chunk.text) for chunk in document.chunks] == [
        (1, "First page words"),
        (3, "Third page words"),
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"hello", "not a PDF"), (b"%PDF-1.7\ngarbage", "damaged"), (pdf_with(""), "no text"), (b"", "not a PDF")],
)
async def test_a_pdf_that_cannot_be_read_is_named(readers: Readers, body: bytes, message: str) -> None:
    with pytest.raises(DocumentUnreadable, match=message):
        await _read(readers, "pdf", body, None)


async def test_a_binary_file_is_not_text(readers: Readers) -> None:
    with pytest.raises(DocumentUnreadable, match="not text"):
        await _read(readers, "text", b"\x7fELF\x00\x00\x01", None)


async def test_stray_nuls_do_not_make_a_file_unreadable(readers: Readers) -> None:
    assert (await _read(readers, "markdown", b"# A\0B\n\nwords\0 here\n", None)).markdown == "# AB\n\nwords here\n"


async def test_markdown_keeps_its_words_and_takes_its_title(readers: Readers) -> None:
    document = await _read(readers, "markdown", "---\ntitle: Mine\n---\n# Head\n\n[a](b.md) <https://y.org/c>\n")
    assert (document.title, document.markdown) == ("Mine", "# Head\n\n[a](b.md) <https://y.org/c>\n")
    assert [link.url for link in document.links] == ["http://x.org/docs/b.md", "https://y.org/c"]


async def test_the_same_text_has_the_same_hash_whatever_the_ratio(readers: Readers) -> None:
    first = await _read(readers, "text", "words")
    request = ReadRequest("text", "http://x.org/docs/page.html", None, "", Budget(254, 1.7))
    assert (await readers.read(request, b"words"))[0].content_hash == first.content_hash
    other = ReadRequest("text", "http://x.org/docs/page.html", None, "", Budget(512, 1.3))
    assert (await readers.read(other, b"words"))[0].content_hash != first.content_hash


async def test_a_document_that_takes_too_long_ends_only_its_reader(readers: Readers) -> None:
    readers.time_limit_s = 0.05
    with pytest.raises(DocumentUnreadable, match="within"):
        await _read(readers, "html", "<p>x</p>" * 300_000)
    readers.time_limit_s = 30
    assert (await _read(readers, "text", "alive")).markdown == "alive"


async def test_a_document_with_too_much_text_is_refused(readers: Readers) -> None:
    with pytest.raises(DocumentTooLarge, match="million characters"):
        await _read(readers, "text", b"words " * 3_000_000)


async def test_a_reader_that_died_while_idle_is_replaced(readers: Readers) -> None:
    await _read(readers, "text", "first")
    process = readers._idle[0]
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    assert (await _read(readers, "text", "second")).markdown == "second"


async def test_a_reader_whose_end_was_broken_off_is_ended_by_the_next_close(readers: Readers) -> None:
    await _read(readers, "text", "words")
    process = readers._idle[0]
    closing = asyncio.create_task(readers.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    before = process.returncode
    await readers.close()
    assert (before, process.returncode, closing.cancelled()) == (None, -signal.SIGKILL, True)


async def test_a_reader_lets_others_go_first(readers: Readers) -> None:
    await _read(readers, "text", "words")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, readers._idle[0].pid) == min(own + 5, 19)


@pytest.mark.parametrize(
    ("content_type", "name", "kind"),
    [
        ("text/html", "a", "html"), ("", "a.pdf", "pdf"), ("application/octet-stream", "a.md", "markdown"),
        ("text/plain", "llms.txt", "text"), ("text/plain", "README.md", "markdown"), ("text/x-python", "a.py", "code"),
    ],
)  # fmt: skip
def test_the_kind_follows_from_type_and_name(content_type: str, name: str, kind: str) -> None:
    assert kind_of(content_type, name) == kind


@pytest.mark.parametrize(
    ("content_type", "name"), [("image/png", "a.png"), ("application/x-7z-compressed", "a.7z"), ("", "a.exe")]
)
def test_what_cannot_be_read_is_refused(content_type: str, name: str) -> None:
    with pytest.raises(DocumentUnreadable, match="not something"):
        kind_of(content_type, name)
