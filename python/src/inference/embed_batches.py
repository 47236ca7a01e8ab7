"""The core of embedding: many texts in, one outcome each, through any `post` that embeds a few texts at once.

A refused text is found by halving its batch, so that its neighbours are stored; what no other text can heal (an empty
account, a wrong key, a missing model, a server that is gone) stops everything at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from src.errors import (
    ArchonError,
    AuthenticationFailed,
    BadRequest,
    ConfigurationError,
    ContextTooLong,
    EndpointNotFound,
    ErrorContext,
    InvalidInput,
    ModelNotFound,
    Overloaded,
    PermissionRefused,
    ProtocolError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    UnsupportedFeature,
)

from .courtesy import Courtesy
from .models import Embedded
from .pacing import Pacing
from .retry import DEFAULT_POLICY, RetryBudget, RetryPolicy, with_retries
from .sdk_errors import classify_sdk_error, sdk_failures
from .vectors import Posted, checked, matched

Post: TypeAlias = Callable[[Sequence[str]], Awaitable[Posted]]
"""Embeds a few texts in one request. May raise ArchonError or what the OpenAI SDK raises."""
Progress: TypeAlias = Callable[[int, int], Awaitable[None]]
"""Told after every batch: texts settled so far, texts in all."""

_STOPS = (
    ConfigurationError,
    QuotaExhausted,
    AuthenticationFailed,
    PermissionRefused,
    ModelNotFound,
    EndpointNotFound,
    UnsupportedFeature,
    ProviderUnavailable,
)
_HOPELESS_BATCHES = 3
_SILENT_BATCHES = 2


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Sizes of one request: inputs, and characters over all of them (clouds limit the tokens of a request)."""

    texts: int = 32
    characters: int = 400_000


@dataclass(frozen=True, slots=True)
class EmbedPlan:
    """How a run embeds. `dimensions` is the size every vector must have, None while it is unknown."""

    limits: BatchLimits = BatchLimits()
    policy: RetryPolicy = DEFAULT_POLICY
    dimensions: int | None = None
    context: ErrorContext = field(default_factory=lambda: ErrorContext(operation="embed"))
    secrets: tuple[str, ...] = ()
    courtesy: Courtesy | None = None
    """To whom every request gives way; None: somebody waits for these texts themselves."""


async def embed_texts(
    texts: Sequence[str],
    post: Post,
    *,
    plan: EmbedPlan,
    pacing: Pacing,
    budget: RetryBudget,
    progress: Progress | None = None,
) -> list[Embedded]:
    """One outcome per text, in the order of the texts. Never raises for a text or a failing server."""
    run = _Run(texts, post, plan, pacing, budget, progress)
    async with asyncio.TaskGroup() as group:
        for batch in run.batches():
            group.create_task(run.embed(batch))
    return run.outcomes()


class _StoppedWhileWaiting(Exception):
    """The run stopped while a batch waited for its place."""

    def __init__(self, reason: ArchonError) -> None:
        super().__init__(reason.message)
        self.reason = reason


class _Run:
    def __init__(
        self,
        texts: Sequence[str],
        post: Post,
        plan: EmbedPlan,
        pacing: Pacing,
        budget: RetryBudget,
        progress: Progress | None,
    ) -> None:
        self._texts = texts
        self._post = post
        self._plan = plan
        self._pacing = pacing
        self._budget = budget
        self._progress = progress
        self._outcomes: list[Embedded | None] = [None] * len(texts)
        self._settled = 0
        self._size = plan.dimensions
        self._stopped: ArchonError | None = None
        self._hopeless = 0
        self._silent = 0

    def batches(self) -> Iterator[list[int]]:
        """Positions of texts that travel together; texts that cannot travel at all get their error here."""
        batch: list[int] = []
        characters = 0
        for at, text in enumerate(self._texts):
            problem = _unsendable(text, self._plan.context)
            if problem is not None:
                self._settle(at, Embedded(None, problem))
                continue
            full = len(batch) >= self._plan.limits.texts or characters + len(text) > self._plan.limits.characters
            if batch and full:
                yield batch
                batch, characters = [], 0
            batch.append(at)
            characters += len(text)
        if batch:
            yield batch

    async def embed(self, batch: list[int]) -> None:
        await self._embed(batch)
        if self._progress is not None:
            await self._progress(self._settled, len(self._texts))

    def outcomes(self) -> list[Embedded]:
        lost = ProtocolError("The text got no outcome", context=self._plan.context)
        return [outcome or Embedded(None, lost) for outcome in self._outcomes]

    async def _embed(self, batch: list[int]) -> None:
        while batch:
            batch = await self._embed_some(batch)

    async def _embed_some(self, batch: list[int]) -> list[int]:
        """Embed as many of the batch as may travel together now; what is left of it: what was not sent cannot fail."""
        if self._stopped is not None:
            self._fail(batch, self._stopped)
            return []
        sent = list(batch)
        try:
            vectors = await with_retries(
                lambda: self._ask(batch, sent),
                policy=self._plan.policy,
                budget=self._budget,
                context=self._plan.context,
            )
        except _StoppedWhileWaiting as stop:
            self._fail(batch, stop.reason)
            return []
        except ArchonError as error:
            await self._refused(sent, error)
            left = batch[len(sent) :]
            if self._hopeless < _HOPELESS_BATCHES:
                return left
            self._fail(left, error)
            return []
        self._silent = 0
        for at, raw in zip(sent, vectors, strict=True):
            vector = checked(raw, self._size, self._plan.context)
            if isinstance(vector, ArchonError):
                self._settle(at, Embedded(None, vector))
            else:
                self._size = self._size or len(vector)
                self._hopeless = 0
                self._settle(at, Embedded(vector))
        return batch[len(sent) :]

    async def _ask(self, batch: list[int], sent: list[int]) -> Sequence[Sequence[float] | str]:
        """Vectors of the first of the batch, which become `sent`: how many is known once there is a place for them."""
        async with self._pacing.slot(self._plan.courtesy):
            if self._stopped is not None:
                raise _StoppedWhileWaiting(self._stopped)
            most = self._pacing.texts(self._plan.limits.texts, self._plan.courtesy)
            sent[:] = batch[:most]
            texts = [self._texts[at] for at in sent]
            started = time.monotonic()
            posted = await self._typed_post(texts)
        if 2 * len(texts) >= most:
            self._pacing.answered(time.monotonic() - started, sum(map(len, texts)))
        return matched(posted.vectors, len(texts), self._plan.context)

    async def _typed_post(self, texts: Sequence[str]) -> Posted:
        try:
            return await self._post(texts)
        except sdk_failures(ArchonError) as error:
            typed = classify_sdk_error(error, self._plan.context, secrets=self._plan.secrets)
            if isinstance(typed, (Overloaded, RateLimited)):
                self._pacing.pushed_back()
            raise typed from (typed.__cause__ if typed is error else error)

    async def _refused(self, batch: list[int], error: ArchonError) -> None:
        if isinstance(error, _STOPS):
            self._stopped = self._stopped or error
        elif isinstance(error, BadRequest | ContextTooLong) and len(batch) > 1 and self._hopeless < _HOPELESS_BATCHES:
            middle = len(batch) // 2
            await self._embed(batch[:middle])
            await self._embed(batch[middle:])
            return
        elif isinstance(error, ProviderTimeout):
            self._silent += 1
            self._stopped = self._stopped or (error if self._silent >= _SILENT_BATCHES else None)
        elif isinstance(error, BadRequest):
            # A request that is wrong in itself refuses every text alike: do not halve every batch down to one.
            self._hopeless += 1
        self._fail(batch, error)

    def _fail(self, batch: list[int], error: ArchonError) -> None:
        for at in batch:
            self._settle(at, Embedded(None, error))

    def _settle(self, at: int, outcome: Embedded) -> None:
        self._outcomes[at] = outcome
        self._settled += 1


def _unsendable(text: str, context: ErrorContext) -> ArchonError | None:
    if not text.strip():
        return InvalidInput("The text is blank", next_step="Leave it out.", context=replace(context, field="text"))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return InvalidInput(
            "The text holds half a character (a lone surrogate)",
            next_step="Save the document as UTF-8 and take it in again.",
            context=replace(context, field="text"),
        )
    return None
