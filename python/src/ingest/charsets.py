"""Bytes as text, in whatever charset they come, said or unsaid."""

from __future__ import annotations

import codecs
import re

from chardetng_py import EncodingDetector  # type: ignore[import-untyped]

from src.errors import DocumentUnreadable

from .document import clean

_IN_HTML = re.compile(
    rb"<(?:meta[^>]{0,200}?charset|\?xml[^>]{0,100}?encoding)\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE
)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_MEANT = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
}
"""What is written under these names. Source: https://encoding.spec.whatwg.org/#names-and-labels (read 2026-11-29)"""
_SERVERS_DEFAULT = "cp1252"
"""What servers say of every page: where the bytes are UTF-8, that is believed instead."""
_HIGH = re.compile(rb"[\x80-\xff]+")
_LATIN_SIGN = re.compile(rb"[\x80\x85\x8a\x8c\x8e\x91-\x97\x99\x9a\x9c\x9e-\xff]")
_UNUSUAL = re.compile(r"[ðþýÐÞÝ]|[^\W\d_][¹³¼¾¿£¥¯ª¶][^\W\d_]")
"""Turkish and Polish, read as Windows-1252, look like this. Else that is taken, as the web does: the detector takes
English with a pound sign in it for Polish."""
_MOSTLY = 0.8
_SAMPLE = 200_000
"""Bytes that are looked at to tell a charset."""
_MOST_STRANGE = 0.02
"""Share of control signs in what is still text."""
_MOST_BROKEN = 0.1
"""Share of the signs beyond ASCII that may be damaged in a text that is otherwise in a charset."""


def decode(body: bytes, declared: str | None, *, is_html: bool = False) -> str:
    """`body` as text: by its byte order mark, the declared charset, HTML's own word, as UTF-8, or by its look.

    A charset that the bytes do not fit is not believed. A few damaged signs are shown as such.

    Raises:
        DocumentUnreadable: the bytes are no text at all, or nobody can tell which.
    """
    for mark, unicode_name in _BOMS:
        if body.startswith(mark):
            return clean(body.decode(unicode_name, "replace"))
    if b"\0" in body[:1000] and declared is None and not _is_text_with_nuls(body):
        raise DocumentUnreadable("The file is not text.", next_step="Upload it in a format that Archon reads.")
    names = _named(body, declared, is_html=is_html)
    for attempt in (_strictly, _nearly):
        for name in names:
            text = attempt(body, name)
            if text is not None:
                return clean(text)
    return clean(_guessed(body))


def _named(body: bytes, declared: str | None, *, is_html: bool) -> list[str]:
    """The charsets that are worth a try, the likeliest first."""
    inside = _IN_HTML.search(body[:4096]) if is_html else None
    said = [_meant(name) for name in (declared, inside.group(1).decode("ascii") if inside else None) if name]
    return sorted([*filter(None, said), "utf-8"], key=lambda name: name == _SERVERS_DEFAULT)


def _meant(name: str) -> str | None:
    for known in (name, name.lower().removeprefix("x-")):
        try:
            found = codecs.lookup(known).name
        except (LookupError, ValueError):
            continue
        return _MEANT.get(found, found)
    return None


def _is_text_with_nuls(body: bytes) -> bool:
    """Whether only stray NULs, which are left out, keep the bytes from being plain text."""
    text = _strictly(body, "utf-8")
    if text is None:
        return False
    start = text[:1000]
    strange = sum(sign < " " and sign not in "\0\t\n\r\f\x1b" for sign in start)
    return strange <= len(start) * _MOST_STRANGE and start.count("\0") <= len(start) / 2


def _strictly(body: bytes, charset: str) -> str | None:
    try:
        return body.decode(charset)
    except (LookupError, ValueError):
        return None


def _nearly(body: bytes, charset: str) -> str | None:
    """A page of thousands of signs is not in another charset because one of them was cut in two."""
    try:
        text = body.decode(charset, "replace")
    except (LookupError, ValueError):
        return None
    beyond = sum(not sign.isascii() for sign in text)
    return text if text.count("�") <= beyond * _MOST_BROKEN else None


def _guessed(body: bytes) -> str:
    """Text of which nobody says what it is in. Raises DocumentUnreadable rather than show what is none."""
    text = _strictly(body, _SERVERS_DEFAULT) if _looks_western(body) else None
    if text is not None and not _UNUSUAL.search(text):
        return text
    detector = EncodingDetector()
    detector.feed(body[:_SAMPLE], last=True)
    name, is_sure = detector.guess_assess(tld=None, allow_utf8=False)
    text = _strictly(body, _meant(name) or name) if is_sure else None
    if text is None:
        raise DocumentUnreadable(
            "It does not say in which charset it is written, and that cannot be told from it.",
            next_step="Save it as UTF-8 and take it in again.",
        )
    return text


def _looks_western(body: bytes) -> bool:
    """Whether what is beyond ASCII stands alone between other letters, as it hardly does in any other script."""
    sample = body[:_SAMPLE]
    runs = _HIGH.findall(sample)
    alone = [run for run in runs if len(run) == 1 and _LATIN_SIGN.match(run)]
    return len(alone) >= len(runs) * _MOSTLY
