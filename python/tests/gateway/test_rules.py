"""The rules by themselves: no server, no socket."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import ConnectionRefused, FirstByteTimeout, ProtocolError, RateLimited, ServerFailure
from src.gateway.ask import read_ask
from src.gateway.bulk import join
from src.gateway.heal import Healing
from src.gateway.keys import Holder
from src.gateway.sse import StreamWatch
from src.inference.pools import RECENT, Ability, Pool, RetryBudget, Served, Upstream, least_busy, preferred

from .faulty import DONE, event

WHOLE = b"".join(
    [b": hello\n\n", event("a"), event("é🚀"), event('say "finish_reason" [DONE]'), event("", "stop"), DONE]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["index", "finish_reason"]), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(["choices", "error", "usage", "id"])


def _upstream(name: str) -> Upstream:
    upstream = Upstream(name)
    upstream.admit(Served({"m": None}, frozenset({Ability.CHAT})))
    return upstream


def _pool(*names: str) -> Pool:
    return Pool("p", [_upstream(name) for name in names], queue=1, queue_s=1, threshold=3)


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_a_stream_cut_anywhere_is_read_the_same(cuts: list[int]) -> None:
    watch = StreamWatch()
    edges = [0, *sorted(cuts), len(WHOLE)]
    passed = b"".join(watch.feed(WHOLE[start:end]) for start, end in pairwise(edges))
    assert (passed + watch.ending, watch.events, watch.complete, watch.bad_lines) == (WHOLE, 4, True, 0)


@given(st.binary(max_size=400))
def test_any_bytes_are_survived_and_never_a_whole_stream(data: bytes) -> None:
    watch = StreamWatch()
    watch.feed(data)
    watch.close()
    assert not watch.complete


@given(st.lists(st.dictionaries(KEYS, JSON, max_size=3)), st.booleans())
def test_any_json_is_survived_and_counted(events: list[dict[str, object]], one_by_one: bool) -> None:
    watch = StreamWatch()
    texts = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    passed = b"".join(map(watch.feed, texts if one_by_one else [b"".join(texts)]))
    fine = len(events) if watch.error is None else [bool(event.get("error")) for event in events].index(True)
    assert passed == b"".join(texts[:fine])


@given(st.integers(0, len(WHOLE) - len(DONE) - len(event("", "stop"))))
def test_a_stream_that_stops_early_is_never_whole(length: int) -> None:
    watch = StreamWatch()
    watch.feed(WHOLE[:length])
    watch.close()
    assert not watch.complete


def test_the_idlest_server_is_chosen_and_equals_take_turns() -> None:
    one, two, three = (_upstream(name) for name in "abc")
    one.outstanding = 2
    assert [least_busy([one, two, three], turn).name for turn in range(3)] == ["b", "b", "c"]


@given(st.binary(min_size=1, max_size=20))
def test_affinity_moves_only_the_keys_of_the_server_that_went(key: bytes) -> None:
    servers = [_upstream(name) for name in "abcd"]
    before = preferred(servers, key)
    left = [one for one in servers if one is not servers[0]]
    assert before is servers[0] or preferred(left, key) is before


def test_three_failures_in_a_row_eject_one_of_two() -> None:
    pool = _pool("a", "b")
    failure = ServerFailure("500")
    assert [pool.failed(pool.members[0], failure, 0.0) for _ in range(3)] == [False, False, True]


def test_a_refused_connection_ejects_at_once_even_the_last_server() -> None:
    pool = _pool("a")
    assert pool.failed(pool.members[0], ConnectionRefused("no"), 0.0)


def test_an_answer_forgives_the_failures_before_it() -> None:
    pool = _pool("a", "b")
    for _ in range(10):
        pool.failed(pool.members[0], ServerFailure("500"), 0.0)
        pool.members[0].succeeded()
        pool.members[0].succeeded()
    assert pool.members[0].ready


@given(st.lists(st.booleans(), max_size=60))
def test_a_server_is_out_after_three_failures_in_a_row_or_when_half_of_its_answers_fail(answers: list[bool]) -> None:
    pool, in_a_row, recent = _pool("a", "b"), 0, list[bool]()
    one = pool.members[0]
    for good in answers:
        recent, in_a_row = [*recent, good][-RECENT:], 0 if good else in_a_row + 1
        half = not good and len(recent) >= 8 and recent.count(False) * 2 > len(recent)
        ejected = pool.failed(one, ServerFailure("500"), 0.0) if not good else one.succeeded() is not None
        assert (ejected, one.free) == (in_a_row == 3 or half, not ejected)
        if ejected:
            one.admit(Served({"m": None}, frozenset({Ability.CHAT})))
            recent, in_a_row = [], 0


def test_a_server_that_hangs_is_asked_less_and_less_often() -> None:
    one = _upstream("a")
    one.eject(0.0, needs_proof=True)
    pauses = []
    for _ in range(6):
        one.stay_out(0.0, FirstByteTimeout("no"))
        pauses.append(one.probe_at)
    assert pauses == [1, 2, 4, 8, 15, 15]


def test_a_server_that_starts_is_asked_twice_a_second() -> None:
    one = _upstream("a")
    one.eject(0.0, needs_proof=False)
    for _ in range(6):
        one.stay_out(0.0, ConnectionRefused("no"))
    assert one.probe_at == 0.5


@given(st.lists(st.booleans(), max_size=300))
def test_retries_never_exceed_their_share(moves: list[bool]) -> None:
    budget = RetryBudget(share=0.2, burst=5)
    requests = retries = 0
    for is_request in moves:
        if is_request:
            budget.earn()
            requests += 1
        else:
            retries += budget.spend()
    assert retries <= 5 + 0.2 * requests


def test_a_rate_refills_steadily() -> None:
    holder = Holder("a", requests_per_minute=60)
    for _ in range(60):
        holder.enter(100.0)
    with pytest.raises(RateLimited, match="60 requests a minute"):
        holder.enter(100.0)
    holder.enter(101.01)
    with pytest.raises(RateLimited):
        holder.enter(101.02)


def test_parts_of_embeddings_are_joined_without_touching_the_vectors() -> None:
    parts = [
        b'{"model":"m","data":[{"index":0,"embedding":[0.10,1e-3]},{"index":1,"embedding":"QUJD"}],'
        b'"usage":{"prompt_tokens":3,"total_tokens":3}}',
        b'{"model":"m","data":[{"index":0,"embedding":[2.0]}],"usage":{"prompt_tokens":4,"total_tokens":4}}',
    ]
    joined = join(parts)
    assert b'[0.10,1e-3]},{"index":1,"embedding":"QUJD"},{"index":2,"embedding":[2.0]}]' in joined
    assert json.loads(joined)["usage"] == {"prompt_tokens": 7, "total_tokens": 7, "completion_tokens": 0}


def test_parts_without_vectors_are_refused() -> None:
    with pytest.raises(ProtocolError):
        join([b'{"object":"list"}'])


@pytest.mark.parametrize(
    ("fields", "heals"),
    [
        ({}, True),
        ({"n": 1, "stop": ["x"], "seed": 3, "response_format": {"type": "text"}}, True),
        ({"n": 2}, False),
        ({"tools": [{}]}, False),
        ({"logprobs": True}, False),
        ({"response_format": {"type": "json_object"}}, False),
        ({"structured_outputs": {"choice": ["a"]}}, False),
        ({"frequency_penalty": 0.5}, False),
        ({"stream_options": {"include_usage": True, "continuous_usage_stats": True}}, False),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, False),
    ],
)
def test_only_plain_text_heals(fields: dict[str, object], heals: bool) -> None:
    body = json.dumps({"model": "m", "stream": True, "messages": []} | fields).encode()
    ask = read_ask(b"/v1/chat/completions", Ability.CHAT, body)
    assert Healing.allows(ask) is heals
