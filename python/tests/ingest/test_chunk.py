"""How a document is cut."""

from __future__ import annotations

import itertools

import pytest

from src.ingest.chunk import chunks_of
from src.ingest.document import Budget
from src.ingest.tokens import estimate

SMALL = Budget(max_tokens=60, ratio=1.0)


def _texts(markdown: str, budget: Budget = SMALL) -> list[str]:
    return [chunk.text for chunk in chunks_of(markdown, budget)]


@pytest.mark.parametrize(
    "markdown",
    [
        "word " * 5000,
        "x" * 100_000,
        "中文没有空格" * 3000,
        "مرحبا بالعالم " * 2000,
        "😀" * 3000,
        "# " + "long heading " * 500 + "\n\ntext",
        "```\n" + "y = f(x)\n" * 2000 + "```",
        "```\n" + "z" * 50_000 + "\n```",
        "| a | b |\n|---|---|\n" + "| one | two |\n" * 800,
        "#" * 7 + " x\n" + "\n\n".join(f"## {n}\n\ntext {n}" for n in range(500)),
        "{}[]();,.<>" * 900,
    ],
)
def test_no_chunk_passes_the_budget(markdown: str) -> None:
    chunks = chunks_of(markdown, SMALL, title="A title")
    assert chunks
    assert max(estimate(chunk.embedded_text) for chunk in chunks) <= SMALL.max_tokens


def test_blank_text_gives_no_chunk() -> None:
    assert chunks_of(" \n\n\t\n", SMALL) == []


def test_a_chunk_knows_the_headings_above_it() -> None:
    markdown = "# Top\n\n" + "intro " * 15 + "\n\n## `Sub`\n\n" + "body " * 40 + "\n\n" + "more " * 40
    chunks = chunks_of(markdown, SMALL)
    assert [chunk.heading_path for chunk in chunks] == [("Top",), ("Top", "Sub"), ("Top", "Sub")]
    assert [chunk.context for chunk in chunks] == ["", "Top", "Top > Sub"]


def test_small_neighbours_stand_together() -> None:
    assert _texts("## A\n\none\n\n## B\n\ntwo\n\n## C\n\nthree") == ["## A\n\none\n\n## B\n\ntwo\n\n## C\n\nthree"]


def test_code_that_fits_stays_whole_and_unchanged() -> None:
    code = "```python\ndef f(a):\n\treturn {'x': a}  # [not](a link)\n\n\n# not a heading\n```"
    assert _texts("before " * 40 + "\n\n" + code)[-1] == code


def test_code_that_is_cut_is_whole_again_put_together() -> None:
    lines = [f"    step_{number} = call({number})" for number in range(60)]
    parts = _texts("```python\n" + "\n".join(lines) + "\n```")
    assert all(part.startswith("```python\n") and part.endswith("\n```") for part in parts)
    assert [line for part in parts for line in part.split("\n")[1:-1]] == lines


def test_code_in_a_list_loses_only_the_lists_indent() -> None:
    assert _texts("- item:\n\n  ```\n  if x:\n      y\n  ```") == ["- item:\n\n```\nif x:\n    y\n```"]


def test_a_cut_table_keeps_its_head_on_every_part() -> None:
    rows = [f"| name {number} | value {number} |" for number in range(40)]
    parts = _texts("\n".join(["| name | value |", "| --- | --- |", *rows]))
    assert all(part.startswith("| name | value |\n| --- | --- |\n") for part in parts)
    assert [row for part in parts for row in part.split("\n")[2:]] == rows


def test_cut_text_overlaps_a_little() -> None:
    sentences = [f"Sentence {number} is here." for number in range(40)]
    parts = _texts(" ".join(sentences))
    assert all(second.split(".")[0] in first for first, second in itertools.pairwise(parts))
    assert all(any(sentence in part for part in parts) for sentence in sentences)


def test_links_are_words_in_chunks() -> None:
    assert _texts('See [the `run()` call](http://x.org/a_(b) "title") and ![a picture](p.png).') == [
        "See the `run()` call and a picture."
    ]


def test_an_open_fence_ends_with_the_text() -> None:
    assert _texts("```\nnever closed") == ["```\nnever closed\n```"]


def test_a_large_model_does_not_make_large_chunks() -> None:
    assert max(estimate(text) for text in _texts("A sentence of words. " * 2000, Budget(8192, 1.0))) <= 400
