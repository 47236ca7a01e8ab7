"""Status first; wording decides only where a status means several things."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import ArchonError, ErrorContext, ModelNotFound, ServerFailure
from src.inference.error_body import read_error_body
from src.inference.failures import Reply, error_from_event, error_from_reply, retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
WAITS = {
    "7": 7.0,
    "0": 0.0,
    "1.5": 1.5,
    "Sat, 21 Nov 2026 12:00:30 GMT": 30.0,
    "Sat, 21 Nov 2026 11:00:00 GMT": 0.0,
    "99999999": 3600.0,
    "-3": None,
    "soon": None,
    "": None,
    "nan": None,
}
OTHERS = [
    (404, {"error": {"message": 'model "x" not found, try pulling it first', "type": "api_error"}}, "model_not_found"),
    (404, {"error": {"message": "The model `gpt-4-32k` has been deprecated"}}, "model_not_found"),
    (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: x"}}, "model_not_found"),
    (400, {"error": {"message": "x is not a valid model ID", "code": 400}}, "model_not_found"),
    (
        400,
        [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}],
        "provider_authentication",
    ),
    (400, {"code": "invalid", "error": "Incorrect API key provided: xa***"}, "provider_authentication"),
    (400, {"type": "error", "error": {"message": "Your credit balance is too low"}}, "quota_exhausted"),
    (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "n"}}, "context_too_long"),
    (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, "context_too_long"),
    (
        400,
        {"error": {"message": "max_tokens=9 cannot be greater than max_model_len=2", "param": "max_tokens"}},
        "provider_bad_request",
    ),
    (400, {"error": {"message": "m is not a multimodal model"}}, "unsupported_feature"),
    (400, {"error": {"message": "Grammar error: Unimplemented keys"}}, "unsupported_feature"),
    (402, {"error": {"message": "Insufficient credits", "code": 402}}, "quota_exhausted"),
    (429, {"error": {"message": "You exceeded your current quota, please check your billing"}}, "quota_exhausted"),
    (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "overloaded"),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
    (500, {"error": {"message": "policy quota rate limit"}}, "provider_failure"),
    (418, "teapot", "provider_bad_request"),
]


@pytest.mark.parametrize(("header", "seconds"), WAITS.items())
def test_retry_after_is_seconds_or_a_date_or_nothing(header: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": header}, NOW) == seconds


@pytest.mark.parametrize(("status", "body", "code"), OTHERS)
def test_other_vendors_wordings_have_their_class(status: int, body: object, code: str) -> None:
    assert error_from_reply(Reply(status, {}, json.dumps(body).encode()), ErrorContext()).code == code


def test_google_says_in_the_body_how_long_to_wait() -> None:
    body = {"error": {"code": 429, "message": "slow", "details": [{"@type": "x"}, {"retryDelay": "31s"}]}}
    error = error_from_reply(Reply(429, {}, json.dumps(body).encode()), ErrorContext())
    assert error.context.retry_after_s == 31.0


def test_an_event_without_a_code_is_a_failure_of_the_server() -> None:
    assert isinstance(error_from_event("it broke", ErrorContext()), ServerFailure)


def test_a_retired_model_is_told_from_a_bad_key() -> None:
    body = b'{"error": {"message": "The model `m` has been deprecated", "code": "model_not_found"}}'
    error = error_from_reply(Reply(404, {}, body), ErrorContext(model="m"))
    assert isinstance(error, ModelNotFound)
    assert "retired" in error.message
    assert "key is not the reason" in error.next_step


@given(st.integers(100, 599), st.binary(max_size=300))
def test_no_reply_is_without_a_class(status: int, body: bytes) -> None:
    error = error_from_reply(Reply(status, {}, body), ErrorContext(provider="p"))
    assert error.code not in {"internal", "provider"}
    assert error.context.status == status


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["error", "message", "detail", "code", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_any_json_can_be_read_as_an_error(body: object) -> None:
    read_error_body(json.dumps(body).encode())
    assert isinstance(error_from_reply(Reply(400, {}, body), ErrorContext()), ArchonError)  # type: ignore[arg-type]


RECORDED = Path(__file__).parents[1] / "fakes" / "vllm_0_32_0.json"


@pytest.mark.parametrize("case", json.loads(RECORDED.read_text()), ids=lambda case: case["case"])
def test_what_vllm_really_answered_has_its_class(case: dict[str, object]) -> None:
    error = error_from_reply(Reply(int(str(case["status"])), {}, str(case["body"]).encode()), ErrorContext(model="m"))
    assert error.code == case["code"]
