"""What belongs to a crawl."""

from __future__ import annotations

import pytest

from src.ingest.frontier import Scope, scope_of, site_scope


@pytest.mark.parametrize(
    ("start", "prefix"),
    [
        ("https://x.org", "/"),
        ("https://x.org/", "/"),
        ("https://x.org/docs", "/docs/"),
        ("https://x.org/docs/", "/docs/"),
        ("https://x.org/3.11", "/3.11/"),
        ("https://x.org/docs/index.html", "/docs/"),
        ("https://x.org/docs/a.html?q=1", "/docs/"),
    ],
)
def test_the_scope_is_the_folder_of_the_start(start: str, prefix: str) -> None:
    assert scope_of(start) == Scope("x.org", prefix)


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("https://x.org/docs/a", True),
        ("http://X.org/docs/a.html", True),
        ("https://x.org/docs", True),
        ("https://x.org/docs2/a", False),
        ("https://x.org/", False),
        ("https://y.org/docs/a", False),
        ("https://x.org:8080/docs/a", False),
        ("https://x.org/docs/logo.PNG", False),
        ("https://x.org/docs/paper.pdf", True),
    ],
)
def test_only_pages_below_it_belong_to_it(url: str, inside: bool) -> None:
    assert scope_of("https://x.org/docs/").contains(url) is inside


def test_a_whole_site_has_every_path() -> None:
    assert site_scope("https://x.org/docs/llms.txt").contains("https://x.org/other")
