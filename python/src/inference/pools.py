"""Pools of model servers: what each serves, how busy it is, which ones are out for now, who goes where.

Nothing here talks to a server. Whoever does reports `succeeded` and `failed`; time comes from the caller's clock in
seconds, so that the rules can be tested with values.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from src.errors import (
    ArchonError,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailure,
    ErrorContext,
    Overloaded,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)

RECENT = 20
"""Outcomes remembered for the share of failures of a server that fails and answers in turn."""
_RECENT_LEAST = 8
_AFFINITY_SLACK = 4
"""How many requests more than the idlest server the preferred one may have before affinity yields."""
_FIRST_OUT_S = 0.5
_LONGEST_OUT_S = 15.0


class Ability(StrEnum):
    """What a server can be asked for."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    SCORE = "score"
    TOKENIZE = "tokenize"


class Standing(StrEnum):
    """Whether a server gets requests. `NEW` has never answered; `WRONG` is no model server at all."""

    NEW = "new"
    READY = "ready"
    EJECTED = "ejected"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Served:
    """What a server said of itself. `models` maps each name to its context length in tokens (None: not told)."""

    models: dict[str, int | None]
    abilities: frozenset[Ability]
    version: str | None = None

    def offers(self, ability: Ability, model: str) -> bool:
        """Whether a request of this kind for `model` can be answered."""
        return ability in self.abilities and model in self.models


class Upstream:
    """One server as the balancer sees it."""

    __slots__ = (
        "_recent",
        "ejections",
        "failures",
        "last_error",
        "limit",
        "name",
        "needs_proof",
        "out_for_s",
        "outstanding",
        "pool",
        "probe_at",
        "served",
        "standing",
    )

    def __init__(self, name: str, limit: int = 256) -> None:
        self.name = name
        self.limit = limit
        self.pool: Pool | None = None
        self.served: Served | None = None
        self.standing = Standing.NEW
        self.outstanding = 0
        self.failures = 0
        self.ejections = 0
        self.out_for_s = _FIRST_OUT_S
        self.probe_at = 0.0
        self.needs_proof = False
        self.last_error: ArchonError | None = None
        self._recent: deque[bool] = deque(maxlen=RECENT)

    @property
    def ready(self) -> bool:
        """Whether it gets requests."""
        return self.standing is Standing.READY

    @property
    def free(self) -> bool:
        """Whether it may take one more request."""
        return self.standing is Standing.READY and self.outstanding < self.limit

    def leave(self) -> None:
        """A request is over: the first in line that can use the place gets it."""
        self.outstanding -= 1
        # asked of the pool that it is in now, which may be another one than the request came through
        if self.pool is not None and self.pool.queued:
            self.pool.wake(self)

    def succeeded(self) -> None:
        """An answer came that proves the server works (its refusal of a bad request does too)."""
        self.failures = 0
        self._recent.append(True)

    def failed(self, error: ArchonError, *, threshold: int) -> bool:
        """Note a failure of the server; returns whether it should be ejected."""
        self.last_error = error
        self._recent.append(False)
        if isinstance(error, (ConnectionRefused, DnsFailure, ConnectTimeout)):
            self.failures += threshold
        else:
            self.failures += 2 if isinstance(error, ProviderTimeout) else 1
        bad = self._recent.count(False)
        return self.failures >= threshold or (len(self._recent) >= _RECENT_LEAST and bad * 2 > len(self._recent))

    def eject(self, now: float, *, needs_proof: bool) -> None:
        """Send nothing until a probe succeeds. `needs_proof`: its word is not enough, it must do some work."""
        if self.standing is not Standing.EJECTED:
            self.ejections += 1
        self.standing = Standing.EJECTED
        self.needs_proof = self.needs_proof or needs_proof
        self.probe_at = now + self.out_for_s

    def stay_out(self, now: float, error: ArchonError) -> None:
        """A probe failed. A server that refuses connections is asked again soon, one that hangs less and less."""
        self.last_error = error
        if not isinstance(error, ConnectionRefused):
            self.out_for_s = min(self.out_for_s * 2, _LONGEST_OUT_S)
        self.probe_at = now + self.out_for_s

    def admit(self, served: Served) -> None:
        """It answered as it should: let it (back) in."""
        self.served = served
        self.standing = Standing.READY
        self.failures = 0
        self.out_for_s = _FIRST_OUT_S
        self.needs_proof = False
        self._recent.clear()


class RetryBudget:
    """Keeps an outage from being multiplied: every request earns a share of a retry, every retry costs one."""

    def __init__(self, share: float = 0.2, burst: float = 64.0) -> None:
        self.share = share
        self.burst = burst
        self.tokens = burst

    def earn(self) -> None:
        """A request came in."""
        if self.tokens < self.burst:
            self.tokens = min(self.burst, self.tokens + self.share)

    def spend(self) -> bool:
        """Take one retry; False when the budget is used up."""
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def least_busy(candidates: Sequence[Upstream], turn: int) -> Upstream:
    """The one with the fewest outstanding requests; among equals each in its turn."""
    best = candidates[turn % len(candidates)]
    for one in candidates:
        if one.outstanding < best.outstanding:
            best = one
    return best


def preferred(candidates: Sequence[Upstream], key: bytes) -> Upstream:
    """The same server for the same key while the set of servers stays (highest random weight)."""
    return max(candidates, key=lambda one: hashlib.blake2b(key + one.name.encode(), digest_size=8).digest())


class PoolReplaced(Exception):
    """The pool was made anew while a request waited in its line: it has to look for its way again."""


class _Waiter:
    __slots__ = ("candidates", "future")

    def __init__(self, candidates: Sequence[Upstream], future: asyncio.Future[None]) -> None:
        self.candidates = candidates
        self.future = future


class Pool:
    """Servers that share one queue. `queue` bounds how many wait, `queue_s` how long each may, in seconds."""

    def __init__(self, name: str, members: Sequence[Upstream], *, queue: int, queue_s: float, threshold: int) -> None:
        self.name = name
        self.members = list(members)
        self.queue = queue
        self.queue_s = queue_s
        self.threshold = threshold
        self._waiting: deque[_Waiter] = deque()
        self._turn = 0
        self._replaced = False
        for one in self.members:
            one.pool = self

    @property
    def queued(self) -> int:
        """How many requests wait for a free server."""
        return len(self._waiting)

    def offering(self, ability: Ability, model: str) -> list[Upstream]:
        """The members known to serve `model` for this, whatever their present state."""
        return [one for one in self.members if one.served is not None and one.served.offers(ability, model)]

    def models(self, ability: Ability | None = None) -> dict[str, list[Upstream]]:
        """The members by each model that they serve (for `ability`, when given)."""
        found: dict[str, list[Upstream]] = {}
        for one in self.members:
            if one.served is not None and (ability is None or ability in one.served.abilities):
                for model in one.served.models:
                    found.setdefault(model, []).append(one)
        return found

    def can_serve(self) -> bool:
        """Whether each model known here has a server that is ready, and there is one at all."""
        models = self.models()
        return bool(models) and all(any(one.standing is Standing.READY for one in ups) for ups in models.values())

    async def enter(self, candidates: Sequence[Upstream], avoid: Collection[Upstream], key: bytes | None) -> Upstream:
        """Take a place on one of `candidates`, waiting in line when all are full; `Upstream.leave` gives it back.

        `avoid` holds servers that failed this request already: they are taken only when no other is ready.

        Raises:
            ProviderUnavailable: none of them is ready.
            RateLimited: the line is full.
            Overloaded: no place came free in time.
            PoolReplaced: `replace` was called meanwhile.
        """
        if not self._waiting:
            chosen = self._choose(candidates, avoid, key)
            if chosen is not None:
                chosen.outstanding += 1
                return chosen
        return await self._wait(candidates, avoid, key)

    def replace(self) -> None:
        """Other pools have taken this one's place: whoever waits in its line goes and stands in theirs."""
        self._replaced = True
        for waiter in self._waiting:
            if not waiter.future.done():
                waiter.future.set_result(None)

    def wake(self, upstream: Upstream) -> None:
        """A place is free on `upstream`, or it is gone for good: whoever waits for it should look again."""
        for waiter in self._waiting:
            if upstream in waiter.candidates and not waiter.future.done():
                waiter.future.set_result(None)
                return

    def failed(self, upstream: Upstream, error: ArchonError, now: float) -> bool:
        """Note a failure; returns whether `upstream` was ejected by it. The last one ready stays unless it is gone."""
        was_ready = upstream.standing is Standing.READY
        if not upstream.failed(error, threshold=self.threshold) or not was_ready:
            return False
        gone = isinstance(error, (ProviderUnavailable, ProviderTimeout))
        others = any(one.standing is Standing.READY for one in self.members if one is not upstream)
        if not gone and not others:
            return False
        upstream.eject(now, needs_proof=not isinstance(error, ProviderUnavailable))
        for _ in range(len(self._waiting)):
            self.wake(upstream)
        return True

    def _choose(
        self, candidates: Sequence[Upstream], avoid: Collection[Upstream], key: bytes | None
    ) -> Upstream | None:
        free = [one for one in candidates if one.free]
        if avoid:
            fresh = [one for one in free if one not in avoid]
            ready_elsewhere = any(one.standing is Standing.READY for one in candidates if one not in avoid)
            free = fresh if fresh or ready_elsewhere else free
        if len(free) < 2:
            return free[0] if free else None
        self._turn += 1
        idlest = least_busy(free, self._turn)
        if key is None:
            return idlest
        wanted = preferred(free, key)
        return wanted if wanted.outstanding <= idlest.outstanding + _AFFINITY_SLACK else idlest

    async def _wait(self, candidates: Sequence[Upstream], avoid: Collection[Upstream], key: bytes | None) -> Upstream:
        self._check_any_ready(candidates)
        if len(self._waiting) >= self.queue:
            raise RateLimited(
                f"{self.queue} requests are already waiting for the pool '{self.name}'.",
                next_step="Send fewer at once, or try again after the time in Retry-After.",
                context=ErrorContext(retry_after_s=2.0),
            )
        place = _Waiter(candidates, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(self.queue_s):
                return await self._stand_in_line(place, avoid, key)
        except TimeoutError as error:
            raise Overloaded(
                f"All servers of the pool '{self.name}' were busy for {self.queue_s:g} s.",
                next_step="Try again after the time in Retry-After.",
                context=ErrorContext(retry_after_s=5.0),
            ) from error

    async def _stand_in_line(self, place: _Waiter, avoid: Collection[Upstream], key: bytes | None) -> Upstream:
        while True:
            self._check_any_ready(place.candidates)
            self._waiting.append(place)
            try:
                await place.future
            finally:
                self._waiting.remove(place)
            if self._replaced:
                raise PoolReplaced(self.name)
            chosen = self._choose(place.candidates, avoid, key)
            if chosen is not None:
                chosen.outstanding += 1
                return chosen
            place.future = asyncio.get_running_loop().create_future()

    def _check_any_ready(self, candidates: Sequence[Upstream]) -> None:
        if any(one.standing is Standing.READY for one in candidates):
            return
        last = next((one.last_error for one in candidates if one.last_error is not None), None)
        why = f" ({last.message})" if last is not None else ""
        raise ProviderUnavailable(
            f"No server of the pool '{self.name}' is ready{why}",
            next_step="Start one of its model servers; the gateway notices within a second.",
            context=ErrorContext(retry_after_s=1.0),
        )
