"""The one owner of retries: only what is safe and can heal, full jitter, a budget, one deadline over all attempts.

Safe and healing are: no connection, a connection that broke before the first byte of the answer (once), 502, 503,
504, and 429 as long as its Retry-After says. Never another 4xx, never a 500, never after the first streamed byte.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from src.errors import (
    ArchonError,
    ConnectionBroken,
    ConnectionRefused,
    ConnectTimeout,
    ErrorContext,
    FirstByteTimeout,
    Overloaded,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    TlsFailure,
)

T = TypeVar("T")
_log = structlog.get_logger("archon.inference.retry")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long. `deadline_s` covers all attempts and waits; a longer Retry-After is not waited for."""

    attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 8.0
    deadline_s: float = 300.0
    longest_wait_s: float = 60.0


DEFAULT_POLICY = RetryPolicy()
NO_RETRIES = RetryPolicy(attempts=1)


class RetryBudget:
    """Keeps an outage from being multiplied: retries may add a fifth to the load, and a few at first."""

    def __init__(self, *, share: float = 0.2, reserve: float = 10.0) -> None:
        self._share = share
        self._reserve = reserve
        self._left = reserve

    def note_call(self) -> None:
        """A first attempt was made: it earns a part of a retry."""
        self._left = min(self._reserve, self._left + self._share)

    def take(self) -> bool:
        """Whether a retry may be made now; if so it is counted."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


def heals(error: ArchonError, attempt: int) -> bool:
    """Whether asking again is safe and can help; `attempt` is the number of attempts made so far."""
    if isinstance(error, TlsFailure):
        return False
    if isinstance(error, ConnectionBroken) and error.context.status is None:
        return attempt < 2
    if isinstance(error, FirstByteTimeout):
        return error.context.status == 504
    return isinstance(error, (ProviderUnavailable, ConnectTimeout, Overloaded, RateLimited))


def wait_before(error: ArchonError, attempt: int, policy: RetryPolicy) -> float | None:
    """Seconds until the next attempt; None when there must be none."""
    if attempt >= policy.attempts or not heals(error, attempt):
        return None
    asked = error.context.retry_after_s
    if asked is not None:
        return asked + random.uniform(0, 0.25) if asked <= policy.longest_wait_s else None  # noqa: S311
    ceiling = min(policy.cap_s, policy.base_s * 2.0 ** (attempt - 1))
    floor = policy.base_s if isinstance(error, RateLimited | ConnectionRefused) else 0.0
    return random.uniform(floor, max(ceiling, floor))  # noqa: S311


async def with_retries(
    call: Callable[[], Awaitable[T]], *, policy: RetryPolicy, budget: RetryBudget, context: ErrorContext
) -> T:
    """Do `call` until it succeeds, cannot heal, or the deadline passes.

    Raises:
        ArchonError: the last failure, with the number of attempts and the seconds they took.
        ProviderTimeout: the deadline over all attempts passed.
    """
    run = _Run(policy, budget, context)
    budget.note_call()
    try:
        async with asyncio.timeout(policy.deadline_s):
            return await run.until_done(call)
    except TimeoutError as timeout:
        late = ProviderTimeout(f"No answer within {policy.deadline_s:g} s over all attempts", context=context)
        raise run.counted(late) from timeout


class _Run:
    """The attempts of one call."""

    def __init__(self, policy: RetryPolicy, budget: RetryBudget, context: ErrorContext) -> None:
        self._policy = policy
        self._budget = budget
        self._context = context
        self._started = time.monotonic()
        self._attempts = 0

    async def until_done(self, call: Callable[[], Awaitable[T]]) -> T:
        while True:
            self._attempts += 1
            try:
                return await call()
            except ArchonError as error:
                wait = self._wait(error)
                if wait is None:
                    raise self.counted(error) from error.__cause__
            await asyncio.sleep(wait)

    def counted(self, error: ArchonError) -> ArchonError:
        elapsed_s = time.monotonic() - self._started
        error.context = replace(error.context, attempts=self._attempts, elapsed_s=elapsed_s)
        return error

    def _wait(self, error: ArchonError) -> float | None:
        wait = wait_before(error, self._attempts, self._policy)
        elapsed_s = time.monotonic() - self._started
        if wait is None or elapsed_s + wait > self._policy.deadline_s or not self._budget.take():
            return None
        provider = self._context.provider
        _log.info("retry", code=error.code, provider=provider, attempt=self._attempts, wait_s=round(wait, 2))
        return wait


def budget_for(origin: str) -> RetryBudget:
    """The budget that all calls to one server share."""
    budget = _BUDGETS.get(origin)
    if budget is None:
        budget = _BUDGETS[origin] = RetryBudget()
    return budget


_BUDGETS: dict[str, RetryBudget] = {}
