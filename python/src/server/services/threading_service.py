"""Work beside the event loop, and a limit on requests where somebody sets one. Nothing is limited by itself."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

Report = Callable[[dict[str, object]], Awaitable[None] | None]
_WINDOW_S = 60.0


class ProcessingMode(StrEnum):
    """Where the work of `batch_process` runs."""

    CPU_INTENSIVE = "cpu_intensive"
    IO_BOUND = "io_bound"
    NETWORK_BOUND = "network_bound"


@dataclass(frozen=True)
class RateLimitConfig:
    """A limit over a sliding minute; None: no limit. v1's fixed numbers were one vendor's and held for every server."""

    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None
    max_concurrent: int | None = None


@dataclass(frozen=True)
class ThreadingConfig:
    """How many threads there are for each kind of work."""

    cpu_workers: int = 4
    io_workers: int = 12
    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)


class RateLimiter:
    """Waits until a request fits into the limit. One larger than the limit goes alone instead of never."""

    def __init__(self, config: RateLimitConfig) -> None:
        self._config = config
        self._sent: deque[tuple[float, int]] = deque()
        self._places = asyncio.Semaphore(config.max_concurrent) if config.max_concurrent else None

    @asynccontextmanager
    async def place(self, tokens: int, report: Report | None) -> AsyncIterator[None]:
        """A place for one request of about `tokens` tokens."""
        if self._places is None:
            await self._wait(tokens, report)
            yield
            return
        async with self._places:
            await self._wait(tokens, report)
            yield

    async def _wait(self, tokens: int, report: Report | None) -> None:
        while (wait_s := self._wait_s(tokens)) > 0:
            if report is not None:
                told = report({"type": "rate_limit_wait", "remaining_seconds": wait_s})
                if inspect.isawaitable(told):
                    await told
            await asyncio.sleep(wait_s)
        self._sent.append((time.monotonic(), tokens))

    def _wait_s(self, tokens: int) -> float:
        now = time.monotonic()
        while self._sent and now - self._sent[0][0] >= _WINDOW_S:
            self._sent.popleft()
        if not self._sent:
            return 0.0
        limits = (
            (self._config.requests_per_minute, len(self._sent) + 1),
            (self._config.tokens_per_minute, sum(sent for _, sent in self._sent) + tokens),
        )
        full = any(limit is not None and used > limit for limit, used in limits)
        return _WINDOW_S - (now - self._sent[0][0]) if full else 0.0


class ThreadingService:
    """Threads for blocking work; made once a process by `get_threading_service`."""

    def __init__(self, config: ThreadingConfig | None = None) -> None:
        self.config = config or ThreadingConfig()
        self._limiter = RateLimiter(self.config.rate_limit)
        self._cpu = ThreadPoolExecutor(self.config.cpu_workers, thread_name_prefix="archon-cpu")
        self._io = ThreadPoolExecutor(self.config.io_workers, thread_name_prefix="archon-io")

    @asynccontextmanager
    async def rate_limited_operation(
        self, estimated_tokens: int = 8000, progress_callback: Report | None = None
    ) -> AsyncIterator[None]:
        """A place for one request; at once where no limit is set."""
        async with self._limiter.place(estimated_tokens, progress_callback):
            yield

    async def run_cpu_intensive(self, func: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`func` in a thread for computing. Raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._cpu, partial(func, *args, **kwargs))

    async def run_io_bound(self, func: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`func` in a thread for waiting. Raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._io, partial(func, *args, **kwargs))

    async def batch_process(
        self,
        items: Sequence[T],
        process_func: Callable[[T], R],
        mode: ProcessingMode = ProcessingMode.CPU_INTENSIVE,
        progress_callback: Callable[[int, int], Awaitable[None] | None] | None = None,
    ) -> list[R]:
        """`process_func` of every item, in their order. Raises what it raises."""
        run = self.run_cpu_intensive if mode is ProcessingMode.CPU_INTENSIVE else self.run_io_bound
        done = 0

        async def one(item: T) -> R:
            nonlocal done
            result = await run(process_func, item)
            done += 1
            told = progress_callback(done, len(items)) if progress_callback else None
            if inspect.isawaitable(told):
                await told
            return result

        return list(await asyncio.gather(*(one(item) for item in items)))

    def shutdown(self) -> None:
        """End the threads once their work is done."""
        self._cpu.shutdown(wait=False)
        self._io.shutdown(wait=False)


@cache
def get_threading_service() -> ThreadingService:
    """The service of this process."""
    return ThreadingService()
