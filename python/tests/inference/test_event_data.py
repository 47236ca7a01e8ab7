"""The data of server-sent events, however their bytes are cut and their lines end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.inference.event_data import EventData

STREAM = b": hi\n\nevent: x\ndata: one\nid: 7\n\ndata:two\ndata:  three\n\n\nretry: 5\n\ndata: f\xc3\xbcnf\n\ndata: cut"
WANTED = [b"one", b"two\n three", b"f\xc3\xbcnf"]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@given(cuts=st.sets(st.integers(1, 120)))
def test_cuts_and_line_ends_change_nothing(ending: bytes, cuts: set[int]) -> None:
    whole = STREAM.replace(b"\n", ending)
    places = [0, *sorted(cuts), len(whole)]
    reader = EventData()
    found = [data for a, b in itertools.pairwise(places) for data in reader.feed(whole[a:b])]
    assert found == WANTED
