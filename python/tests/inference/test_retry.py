"""Retries: only what can heal, within a budget and one deadline."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import (
    ArchonError,
    BadRequest,
    ConnectionBroken,
    ConnectionRefused,
    ErrorContext,
    FirstByteTimeout,
    Overloaded,
    ProviderTimeout,
    RateLimited,
    ServerFailure,
    StallTimeout,
    TlsFailure,
    family,
)
from src.inference.retry import RetryBudget, RetryPolicy, heals, wait_before, with_retries

QUICK = RetryPolicy(attempts=3, base_s=0.0, cap_s=0.0, deadline_s=60.0)
NEVER = (BadRequest, ServerFailure, StallTimeout, TlsFailure, FirstByteTimeout, ProviderTimeout)


async def run(error: ArchonError, policy: RetryPolicy = QUICK, budget: RetryBudget | None = None) -> int:
    made = 0

    async def call() -> None:
        nonlocal made
        made += 1
        raise error

    with pytest.raises(type(error)) as caught:
        await with_retries(call, policy=policy, budget=budget or RetryBudget(), context=ErrorContext())
    assert caught.value.context.attempts == made
    assert caught.value.context.elapsed_s is not None
    return made


@pytest.mark.parametrize(("kind", "attempts"), [(Overloaded, 3), (ConnectionBroken, 2), *((one, 1) for one in NEVER)])
async def test_each_failure_is_tried_as_often_as_is_safe(kind: type[ArchonError], attempts: int) -> None:
    assert await run(kind("no")) == attempts


@pytest.mark.parametrize("kind", [one for one in family() if one.http_status < 500 and one is not RateLimited])
def test_a_refusal_of_the_request_is_never_repeated(kind: type[ArchonError]) -> None:
    assert not heals(kind("no"), 1)


async def test_an_empty_budget_ends_retrying() -> None:
    budget = RetryBudget(share=0.0, reserve=1.0)
    assert [await run(Overloaded("no"), budget=budget) for _ in range(3)] == [2, 1, 1]


async def test_a_wait_past_the_deadline_is_not_begun() -> None:
    error = RateLimited("no", context=ErrorContext(retry_after_s=30.0))
    assert await run(error, RetryPolicy(attempts=5, deadline_s=1.0)) == 1


async def test_the_deadline_covers_an_attempt_that_hangs() -> None:
    async def hang() -> None:

        await asyncio.Event().wait()

    policy = RetryPolicy(deadline_s=0.05)
    with pytest.raises(ProviderTimeout, match="all attempts"):
        await with_retries(hang, policy=policy, budget=RetryBudget(), context=ErrorContext())


@given(st.integers(1, 6), st.floats(0, 100))
def test_a_wait_is_never_shorter_than_asked(attempt: int, asked: float) -> None:
    wait = wait_before(RateLimited("no", context=ErrorContext(retry_after_s=asked)), attempt, RetryPolicy(attempts=9))
    assert wait is None if asked > 60 else wait is not None and asked <= wait <= asked + 0.25


@given(st.integers(1, 8))
def test_backoff_stays_below_its_cap(attempt: int) -> None:
    wait = wait_before(ConnectionRefused("no"), attempt, RetryPolicy(attempts=9))
    assert wait is not None
    assert 0.5 <= wait <= 8.0


def test_retries_add_at_most_a_fifth_to_the_load() -> None:
    budget = RetryBudget()
    retries = 0
    for _ in range(1000):
        budget.note_call()
        retries += budget.take()
    assert retries <= 0.2 * 1000 + 10
