"""Canonical addresses and the ids made from them."""

from __future__ import annotations

import hashlib

import pytest

from src.errors import ArchonError
from src.ingest import addresses


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTPS://Docs.Example.ORG/Path/", "https://docs.example.org/Path"),
        ("http://x.org:80/a", "http://x.org/a"),
        ("https://x.org:443/a", "https://x.org/a"),
        ("https://x.org:8443/a", "https://x.org:8443/a"),
        ("https://x.org", "https://x.org/"),
        ("https://x.org/", "https://x.org/"),
        ("https://x.org/a#part", "https://x.org/a"),
        ("https://x.org/a?utm_source=n&b=2&a=1&ref=q&gclid=1", "https://x.org/a?a=1&b=2"),
        ("https://x.org/a?q=", "https://x.org/a?q="),
        ("not a url", "not a url"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_addresses_of_one_page_have_one_form(url: str, canonical: str) -> None:
    assert addresses.canonical_url(url).removeprefix("/") == canonical


def test_a_source_id_is_the_hash_of_the_canonical_address() -> None:
    expected = hashlib.sha256(b"https://x.org/docs").hexdigest()[:16]
    assert addresses.source_id_of_url("HTTPS://X.org/docs/#top") == expected


def test_a_file_has_one_id_for_its_name_and_content() -> None:
    first = addresses.source_id_of_file("my report.v2.pdf", b"a")
    assert first.startswith("file_my_report_v2_pdf_")
    assert first == addresses.source_id_of_file("my report.v2.pdf", b"a")
    assert first != addresses.source_id_of_file("my report.v2.pdf", b"b")
    assert first in addresses.url_of_file(first, "my report.v2.pdf")


@pytest.mark.parametrize(
    "url", ["", "ftp://x.org/a", "x.org", "http://", "http://u:p@x.org/", "http://[::1", "file:///etc/passwd"]
)
def test_what_cannot_be_fetched_is_refused_with_a_reason(url: str) -> None:
    with pytest.raises(ArchonError) as caught:
        addresses.checked_url(url)
    assert caught.value.next_step
    assert caught.value.http_status == 422


def test_links_are_resolved_and_other_schemes_left_out() -> None:
    base = "https://x.org/docs/a.html"
    assert addresses.joined(base, "../b.html#c") == "https://x.org/b.html"
    assert [addresses.joined(base, ref) for ref in ("mailto:a@b.c", "javascript:1", "data:,x", "http://[")] == [
        None
    ] * 4
