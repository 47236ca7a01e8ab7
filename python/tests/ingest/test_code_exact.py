"""Code comes out of a page as it went in, whatever signs it is made of."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.ingest.blocks import blocks_of
from src.ingest.html_page import read_html

PIECES = (
    *("a", "b1", " ", "\t", "\n", "\n\n", "    ", "`", "```", "~~~", "*", "_", "#", "<", ">", "&", "&amp;", "|", "\\"),
    *("[x](y)", "</b>", "<br>", "$", '"', "'", "é", "中", ":", ";", "- ", "1. ", "| - |"),
)
CODE = st.lists(st.sampled_from(PIECES), max_size=60).map(lambda parts: f"x{''.join(parts)}y")


@pytest.mark.parametrize(
    "frame",
    [
        "<pre><code class='language-python'>{}</code></pre>",
        "<pre>{}</pre>",
        "<div class='highlight-c'><div class='highlight'><pre><span></span>{}</pre></div></div>",
        "<ul><li>item<pre><code>{}</code></pre></li></ul>",
    ],
)
@given(code=CODE)
def test_code_is_kept_sign_for_sign(frame: str, code: str) -> None:
    page = f"<main><h1>T</h1><p>before</p>{frame.format(html.escape(code))}<p>after</p></main>"
    blocks = blocks_of(read_html(page, "http://x.org/").markdown)
    assert [block.text for block in blocks if block.kind == "code"] == [code]
