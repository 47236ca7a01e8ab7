"""Citation markers, however the model writes them and however its stream is cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.agents.markers import MarkerFilter

pytestmark = pytest.mark.unit

SIGNS = [*"[]【】129 0-†`a\n", "42", ", ", "```", "~~~", "word.", "passage "]
MARKERS = ["[1]", "[9]", "[1, 9]", " [2][7]", "[[9]7]", "[1](http://x)", "Source 3", "é🚀"]
PIECES = st.sampled_from([*SIGNS, *MARKERS])
ANSWERS = st.lists(PIECES, max_size=40)


def passed(pieces: list[str], known: tuple[int, ...] = (1, 2, 3)) -> tuple[str, MarkerFilter]:
    """What comes out of a filter that was fed `pieces`."""
    markers = MarkerFilter(known)
    shown = "".join([markers.feed(piece) for piece in pieces]) + markers.close()
    return shown, markers


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("It waits [1].", "It waits [1]."),
        ("It waits [9].", "It waits."),
        ("It waits [1, 9; 2].", "It waits [1][2]."),
        ("It waits [1-3].", "It waits [1][2][3]."),
        ("It waits 【2†source】.", "It waits [2]."),
        ("It waits [Passage 2].", "It waits [2]."),
        ("It waits [^1].", "It waits [1]."),
        ("[9] It waits", " It waits"),
        ("An [[9]7] odd one", "An [ 7] odd one"),
        ("see [the docs] and [", "see [the docs] and ["),
        ("use `items[0]` here [9]", "use `items[0]` here"),
        ("an open ` tick [9]\nnext [2]", "an open ` tick\nnext [2]"),
        ("```python\nx = items[0]\n```\ndone [9]", "```python\nx = items[0]\n```\ndone"),
        ("~~~\nx[0]\n", "~~~\nx[0]\n"),
        ("``a`[9]``", "``a`[9]``"),
    ],
)
def test_markers_resolve_or_vanish(written: str, shown: str) -> None:
    assert passed([written])[0] == shown
    assert passed(list(written))[0] == shown


@settings(max_examples=400, deadline=None)
@given(ANSWERS)
def test_every_number_outside_code_names_a_passage(pieces: list[str]) -> None:
    shown, markers = passed(pieces)
    prose = _without_code(shown, markers)
    assert {int(number) for number in re.findall(r"\[([0-9]+)\]", prose)} <= {1, 2, 3}
    assert all(shown[marker.start : marker.end] == f"[{marker.number}]" for marker in markers.markers)


@settings(max_examples=400, deadline=None)
@given(ANSWERS)
def test_the_cut_of_the_stream_changes_nothing(pieces: list[str]) -> None:
    whole, letters = passed(["".join(pieces)]), passed(list("".join(pieces)))
    assert (whole[0], whole[1].markers) == (letters[0], letters[1].markers)
    assert whole[0] == whole[1].text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_text_without_markers_comes_through_whole(text: str) -> None:
    plain = re.sub(r"[0-9]", "x", text)
    assert passed(list(plain))[0] == plain


def test_words_are_not_held_back() -> None:
    markers = MarkerFilter((1,))
    assert [markers.feed(piece) for piece in ("Tasks", " run", " [", "1", "]", ".")] == [
        "Tasks",
        " run",
        "",
        "",
        " [1]",
        ".",
    ]


def test_a_bracket_that_never_closes_does_not_stop_the_stream() -> None:
    markers = MarkerFilter((1,))
    assert len(markers.feed("[" + "1 " * 200)) > 0


def _without_code(shown: str, markers: MarkerFilter) -> str:
    """`shown` with its code blanked, as the filter itself saw it."""
    letters = list(shown)
    for start, end in markers.code:
        letters[start:end] = " " * (end - start)
    return "".join(letters)
