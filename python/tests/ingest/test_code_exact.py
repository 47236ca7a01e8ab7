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


NUMBERS, CODE_LINES = "1\n2\n3", 'import os\nif a | b:\n    x = "|"'
ROWS = "".join(
    f'<tr><td class="hljs-ln-line hljs-ln-numbers"><div data-line-number="{number}"></div></td>'
    f'<td class="hljs-ln-line hljs-ln-code">{line}</td></tr>'
    for number, line in enumerate(CODE_LINES.splitlines(), start=1)
)


@pytest.mark.parametrize(
    ("frame", "language"),
    [
        (
            '<div class="highlight-python notranslate"><table class="highlighttable"><tr><td class="linenos">'
            f'<div class="linenodiv"><pre>{NUMBERS}</pre></div></td><td class="code"><div class="highlight">'
            f"<pre>{CODE_LINES}\n</pre></div></td></tr></table></div>",
            "python",
        ),
        (
            '<div class="language-ruby highlighter-rouge"><div class="highlight"><pre class="highlight"><code>'
            f'<table class="rouge-table"><tbody><tr><td class="gutter gl"><pre class="lineno">{NUMBERS}\n</pre></td>'
            f'<td class="code"><pre>{CODE_LINES}\n</pre></td></tr></tbody></table></code></pre></div></div>',
            "ruby",
        ),
        (
            f'<pre><code class="hljs language-go"><table class="hljs-ln"><tbody>{ROWS}</tbody></table></code></pre>',
            "go",
        ),
        (f'<pre class="shiki" data-language="rust"><code>{CODE_LINES}</code></pre>', "rust"),
        (f'<div class="highlight highlight-source-shell"><pre>{CODE_LINES}</pre></div>', "shell"),
    ],
    ids=["sphinx", "rouge", "highlight.js", "shiki", "github"],
)
def test_code_beside_line_numbers_is_the_code_alone(frame: str, language: str) -> None:
    page = f"<main><h1>T</h1><p>before</p>{frame}<p>after</p><table><tr><td>a</td><td>b</td></tr></table></main>"
    markdown = read_html(page, "http://x.org/").markdown
    assert [block.text.rstrip("\n") for block in blocks_of(markdown) if block.kind == "code"] == [CODE_LINES]
    assert (f"```{language}\n" in markdown, "| a | b |" in markdown) == (True, True)


def test_code_in_a_table_keeps_its_lines_and_its_language() -> None:
    inner = f"<table><tr><td>so</td><td><pre>{CODE_LINES}</pre></td></tr></table>"
    cells = f"<td><pre><code class='language-python'>{CODE_LINES}</code></pre></td><td>or {inner}</td>"
    table = f"<table><caption>Both</caption><tr><th>Old</th><th>New</th></tr><tr>{cells}</tr></table>"
    plain = "<table><tr><th>k</th></tr><tr><td><pre>one line</pre></td></tr></table>"
    markdown = read_html(f"<main><h1>T</h1>{table}{plain}</main>", "http://x.org/").markdown
    assert [(one.info, one.text) for one in blocks_of(markdown) if one.kind == "code"] == [
        ("```python", CODE_LINES),
        ("```", CODE_LINES),
    ]
    assert [one.text for one in blocks_of(markdown) if one.kind == "text"] == ["Both", "Old", "New", "or", "so"]
    assert "| `one line` |" in markdown
