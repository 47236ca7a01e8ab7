"""Takes a request to a server and its answer home; tries elsewhere while the client has not seen a byte."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Sequence

from src.errors import (
    ArchonError,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailure,
    ErrorContext,
    FirstByteTimeout,
    ModelNotFound,
    ProviderTimeout,
    ProviderUnavailable,
)
from src.inference.pools import Ability, RetryBudget, Upstream

from .ask import with_fields
from .back import RawHeaders, Reply, Stale
from .config import GatewayConfig
from .fleet import Fleet, Route
from .metrics import Metrics
from .server import Server, check_loop
from .streams import StreamRelay
from .trip import AttemptFailed, Trip
from .verdict import Blame, Verdict, judge

_NOT_RETURNED = frozenset(
    [
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-authenticate",
        b"server",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    ]
)
_USAGE = re.compile(rb'"(prompt|completion)_tokens"\s*:\s*(\d+)')
_UNSENT = (ConnectionRefused, DnsFailure, ConnectTimeout)


class Relay:
    """The way of a request through the pools."""

    def __init__(self, fleet: Fleet, config: GatewayConfig, metrics: Metrics) -> None:
        self.fleet = fleet
        self.metrics = metrics
        self.configure(config)

    def configure(self, config: GatewayConfig) -> None:
        """Take on new time-outs and retry rules; what is under way keeps the old ones where it already waits."""
        self.config = config
        self.budget = RetryBudget(config.retries.share, config.retries.burst)

    async def serve(self, trip: Trip) -> None:
        """Answer `trip`, from whichever server can.

        Raises:
            ArchonError: no server answered, and nothing has been sent to the client.
        """
        self.budget.earn()
        tried: list[Upstream] = []
        while True:
            route = self.fleet.route(trip.ask.ability, trip.ask.model)
            upstream = await route.pool.enter(route.candidates, tried, trip.affinity)
            try:
                await self._attempt(trip, route, upstream)
            except AttemptFailed as failure:
                verdict = failure.verdict
            else:
                return
            finally:
                route.pool.leave(upstream)
            await self._settle(trip, route, upstream, verdict)
            tried.append(upstream)
            await self._before_next(trip, route.candidates, tried, verdict)

    async def send(self, trip: Trip, server: Server, body: bytes) -> Reply:
        """Send `body` to `server`; a kept connection that the server had just closed is replaced once.

        Raises:
            AttemptFailed: no connection.
        """
        path = trip.ask.path
        head = server.head(b"POST", path, len(body), trip.envoy)
        streaming = trip.ask.stream
        within_s = self.within(trip, self.config.timeouts.first_byte_s if streaming else self.config.timeouts.answer_s)
        try:
            reply = await server.dialer.send(head, body, within_s=within_s, streaming=streaming)
            try:
                await reply.head()
            except Stale:
                server.dialer.done(reply)
                reply = await server.dialer.send(head, body, within_s=within_s, streaming=streaming, fresh=True)
                await self._head_or_done(server, reply)
            except BaseException:
                server.dialer.done(reply)
                raise
        except (ProviderUnavailable, ProviderTimeout) as error:
            raise AttemptFailed(Verdict(error, Blame.SERVER)) from error
        return reply

    def within(self, trip: Trip, seconds: float) -> float:
        """`seconds`, or what is left of the request's whole time."""
        return max(0.001, min(seconds, trip.ends_by - asyncio.get_running_loop().time()))

    async def _head_or_done(self, server: Server, reply: Reply) -> None:
        try:
            await reply.head()
        except BaseException:
            server.dialer.done(reply)
            raise

    async def _attempt(self, trip: Trip, route: Route, upstream: Upstream) -> None:
        server = self.fleet.servers.get(upstream)
        if server is None:
            raise AttemptFailed(Verdict(ProviderUnavailable(f"{upstream.name} was taken out."), Blame.NOBODY))
        ask = trip.ask
        trip.attempts += 1
        trip.upstream, trip.model = server.name, route.model
        self.metrics.attempts.labels(server.name).inc()
        if ask.stream:
            await StreamRelay(self, trip, route, server).run()
        else:
            body = with_fields(ask, {"model": route.model}) if route.renamed else ask.body
            await self.plain(trip, server, body, route.max_model_len)
        upstream.succeeded()

    async def plain(self, trip: Trip, server: Server, body: bytes, max_model_len: int | None) -> None:
        """A plain call: nothing goes to the client before the whole answer is here and found good.

        Raises:
            AttemptFailed: it did not come, or it is no answer for the client.
        """
        reply = await self.send(trip, server, body)
        try:
            content = await reply.whole()
        except (ProviderUnavailable, ProviderTimeout) as error:
            raise AttemptFailed(Verdict(error, Blame.SERVER)) from error
        finally:
            server.dialer.done(reply)
        self.answer_whole(trip, server, reply, content, max_model_len)

    def answer_whole(
        self, trip: Trip, server: Server, reply: Reply, content: bytes, max_model_len: int | None = None
    ) -> None:
        """Give the client a whole answer, or raise AttemptFailed where it is not one for the client."""
        check_loop(reply, server.name)
        kind = reply.header(b"content-type")
        verdict = judge(reply.status, kind, reply.header(b"retry-after"), content, server.name)
        if verdict is not None and not verdict.as_is:
            raise AttemptFailed(verdict)
        if verdict is not None:
            self._note_refusal(trip, server, verdict)
        else:
            _count_tokens(trip, content, max_model_len)
        trip.request.answer(reply.status, self.headers(trip, reply), content)

    def headers(self, trip: Trip, reply: Reply) -> RawHeaders:
        """The answer's headers for the client: the server's own but for hop-by-hop ones, and ours."""
        headers = [pair for pair in reply.headers if pair[0] not in _NOT_RETURNED]
        headers.extend(trip.own_headers())
        if trip.context_full:
            headers.append((b"x-archon-context-full", b"1"))
        return headers

    def _note_refusal(self, trip: Trip, server: Server, verdict: Verdict) -> None:
        trip.error = verdict.error
        if isinstance(verdict.error, ModelNotFound):
            # it said a moment ago that it serves the model: it came back with another one
            raise AttemptFailed(verdict)

    async def _settle(self, trip: Trip, route: Route, upstream: Upstream, verdict: Verdict) -> None:
        """Draw the conclusions for the server's standing; raise where another try could not help."""
        error = verdict.error
        self.metrics.upstream_errors.labels(upstream.name, error.code).inc()
        if verdict.blame is Blame.SERVER:
            now = asyncio.get_running_loop().time()
            if route.pool.failed(upstream, error, now):
                self.fleet.ejected(upstream)
            return
        if verdict.blame is Blame.BUSY or verdict.blame is Blame.NOBODY:
            return
        upstream.succeeded()
        if verdict.blame is Blame.CLIENT and error.code in ("model_not_found", "endpoint_not_found"):
            await self._look_again(upstream, trip, error)
            return
        raise error

    async def _look_again(self, upstream: Upstream, trip: Trip, error: ArchonError) -> None:
        """The server denies what it served before: ask it anew, and go on only if it really changed."""
        before = upstream.served
        try:
            await self.fleet.rediscover(upstream)
        except ArchonError:
            self.fleet.poke(upstream)
        if upstream.served == before:
            raise error
        self.fleet.route(trip.ask.ability, trip.ask.model)

    async def _before_next(
        self, trip: Trip, candidates: Sequence[Upstream], tried: list[Upstream], verdict: Verdict
    ) -> None:
        """Wait as long as the next try needs; raise the failure when there is no next try."""
        error, rules = verdict.error, self.config.retries
        if trip.attempts >= rules.attempts or (not isinstance(error, _UNSENT) and not self.budget.spend()):
            self.metrics.retries_exhausted.inc()
            raise error
        others = any(one.ready and one not in tried for one in candidates)
        wait = 0.0 if others else self._pause(trip, error, candidates)
        left = trip.ends_by - asyncio.get_running_loop().time()
        if wait >= left:
            raise error
        self.metrics.retries.labels(tried[-1].name).inc()
        if wait:
            await asyncio.sleep(wait)

    def _pause(self, trip: Trip, error: ArchonError, candidates: Sequence[Upstream]) -> float:
        """Full jitter below a doubling bound, or what the server asked for; raise when it asks for too long."""
        rules = self.config.retries
        asked = error.context.retry_after_s
        if asked is not None and asked > rules.longest_wait_s:
            raise error
        if isinstance(error, FirstByteTimeout) or not any(one.ready for one in candidates):
            raise error.with_context(retry_after_s=1.0) if isinstance(error, ProviderUnavailable) else error
        bound = min(rules.longest_wait_s, rules.first_wait_s * 2 ** (trip.attempts - 1))
        jitter = random.uniform(0, bound)  # noqa: S311 - spreads retries, guards nothing
        return max(asked or 0.0, jitter)


def failure_for_client(error: ArchonError, attempts: int) -> ArchonError:
    """The same failure, with how often it was tried."""
    return error.with_context(attempts=attempts) if attempts > 1 else error


def affinity_key(trip_headers: RawHeaders, header: bytes, ability: Ability, body: bytes) -> bytes | None:
    """What keeps requests of one conversation on one server: the session header, else the beginning of the prompt."""
    for name, value in trip_headers:
        if name == header:
            return value
    if ability in (Ability.CHAT, Ability.COMPLETIONS):
        start = body.find(b'"messages"' if ability is Ability.CHAT else b'"prompt"')
        return body[start : start + 256] if start >= 0 else None
    return None


def _count_tokens(trip: Trip, content: bytes, max_model_len: int | None) -> None:
    """Read the usage at the end of an answer without parsing it (an embedding answer has megabytes)."""
    start = content.rfind(b'"usage"')
    if start < 0:
        return
    for kind, number in _USAGE.findall(content, start, start + 400):
        if kind == b"prompt":
            trip.prompt_tokens = int(number)
        else:
            trip.completion_tokens = int(number)
    asked = trip.ask.fields.get("max_completion_tokens") or trip.ask.fields.get("max_tokens")
    total = (trip.prompt_tokens or 0) + (trip.completion_tokens or 0)
    if max_model_len is not None and isinstance(asked, int) and trip.ask.choices == 1:
        trip.context_full = total >= max_model_len and (trip.completion_tokens or 0) < asked


def context_of(trip: Trip) -> ErrorContext:
    """Where a failure of this request happened."""
    return ErrorContext(connection=trip.upstream or None, model=trip.model or None, attempts=max(1, trip.attempts))
