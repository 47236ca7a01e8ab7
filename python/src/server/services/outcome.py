"""The result of a piece of work, or the exception it ended with, as a value."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def outcome(work: Awaitable[T]) -> T | Exception:
    """What `work` returned or raised. For contracts that answer whatever happens: the caller decides and logs."""
    return (await outcomes([work]))[0]


async def outcomes(works: Sequence[Awaitable[T]]) -> list[T | Exception]:
    """The same for several at once, in their order. Cancelling the caller cancels them all."""
    found: list[T | Exception] = []
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, Exception):
            raise result
        found.append(result)
    return found
