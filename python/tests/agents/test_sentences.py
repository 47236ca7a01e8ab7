"""Sentences of an answer and where they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.agents.sentences import split

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It waits. [1] It ends [2].", ["It waits. [1]", "It ends [2]."]),
        ("Use e.g. Python 3.11 or asyncio.gather here. Done", ["Use e.g. Python 3.11 or asyncio.gather here.", "Done"]),
        ("# Title\nText goes\non here.", ["Title", "Text goes\non here."]),
        ("- one\n- two [1][2]\n1. three", ["one", "two [1][2]", "three"]),
        ("See `a. b`. Then:\n```py\nx = 1. y\n```\nEnd", ["See `a. b`.", "Then:", "```py\nx = 1. y\n```", "End"]),
        ("完了。次の文。", ["完了。", "次の文。"]),
        ("It ends.\n\n[1] [2]", ["It ends.\n\n[1] [2]"]),
        ("--- \n ...", []),
    ],
)
def test_text_is_split_into_sentences(text: str, sentences: list[str]) -> None:
    assert [sentence.text for sentence in split(text)] == sentences


@given(st.text(alphabet='aB. !?\n`~#-1[]。…"é🚀', max_size=120))
def test_offsets_always_give_the_sentence_and_never_overlap(text: str) -> None:
    place = 0
    for sentence in split(text):
        assert text[sentence.start : sentence.end] == sentence.text
        assert sentence.start >= place
        place = sentence.end
