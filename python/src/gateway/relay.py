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
    FirstByteTimeout,
    ModelNotFound,
    ProtocolError,
    ProviderTimeout,
    ProviderUnavailable,
)
from src.inference.connection import RawHeaders, Reply, Stale
from src.inference.models import Outcome
from src.inference.pools import Ability, PoolReplaced, RetryBudget, Upstream

from .ask import with_fields
from .bulk import embed_in_parts, is_bulk
from .chain import Chain
from .config import GatewayConfig
from .fleet import Fleet, Route
from .metrics import Metrics
from .server import Server, check_loop
from .streams import StreamRelay
from .trip import AttemptFailed, Trip, Whole
from .verdict import Blame, Verdict, blame_for, judge

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
_PROMPT_TOKENS = re.compile(rb'"prompt_tokens"\s*:\s*(\d+)')
_COMPLETION_TOKENS = re.compile(rb'"completion_tokens"\s*:\s*(\d+)')
_UNSENT = (ConnectionRefused, DnsFailure, ConnectTimeout)


class Relay:
    """The way of a request through the pools."""

    def __init__(self, fleet: Fleet, config: GatewayConfig, metrics: Metrics, chain: Chain | None = None) -> None:
        self.fleet = fleet
        self.chain = chain
        self.metrics = metrics
        self.configure(config)

    def configure(self, config: GatewayConfig) -> None:
        """Take on new time-outs and retry rules; what is under way keeps the old ones where it already waits."""
        self.config = config
        self.budget = RetryBudget(config.retries.share, config.retries.burst)

    async def serve(self, trip: Trip) -> None:
        """Answer `trip`, from whichever server can.

        Raises:
            ArchonError: nobody answered, and nothing has been sent to the client.
        """
        try:
            if self._is_bulk(trip):
                whole = await embed_in_parts(self, trip)
            else:
                whole = await self.through_pools(trip)
        except ArchonError as error:
            if trip.request.sent or self.chain is None or not self.chain.takes(trip.ask.ability, error):
                raise
            whole = await self.chain.answer(self, trip, error)
        if whole is not None:
            trip.request.answer(whole.reply.status, self.headers(trip, whole.reply), whole.content)

    async def through_pools(self, trip: Trip) -> Whole | None:
        """An answer from the pools; None when it was a stream and is sent. Raises as `serve` does."""
        self.budget.earn()
        tried: list[Upstream] = []
        while True:
            route = self.fleet.route(trip.ask.ability, trip.ask.model)
            try:
                upstream = await route.pool.enter(route.candidates, tried, trip.affinity)
            except PoolReplaced:
                continue
            try:
                return await self._attempt(trip, route, upstream)
            except AttemptFailed as failure:
                verdict = failure.verdict
            finally:
                upstream.leave()
            await self._settle(trip, upstream, verdict)
            tried.append(upstream)
            await self._before_next(trip, route.candidates, tried, verdict)

    async def attempt_on(self, trip: Trip, route: Route, server: Server) -> Whole | None:
        """One try at `server`; None when the answer was a stream and is sent.

        Raises:
            AttemptFailed: the client has not seen anything.
        """
        trip.attempts += 1
        trip.upstream, trip.model = server.name, route.model
        self.metrics.sent_to(server.name)
        if trip.ask.stream:
            whole = await StreamRelay(self, trip, route, server).run()
        else:
            whole = await self._plain(trip, server, self._body(trip, route))
        if whole is not None:
            self._check(trip, whole, route.max_model_len)
        return whole

    async def send_to(self, trip: Trip, server: Server, path: bytes, body: bytes) -> Reply:
        """Send `body`; returns when the head of the answer is here. A kept connection that was stale is replaced.

        Raises:
            AttemptFailed: no connection, or no answer in time.
        """
        head = server.head(b"POST", path, len(body), trip.envoy)
        streaming = trip.ask.stream
        within_s = self.within(trip, self.config.timeouts.first_byte_s if streaming else self.config.timeouts.answer_s)
        for fresh in (False, True):
            try:
                reply = await server.dialer.send(head, body, within_s=within_s, streaming=streaming, fresh=fresh)
            except (ProviderUnavailable, ProviderTimeout) as error:
                raise AttemptFailed(Verdict(error, Blame.SERVER)) from error
            try:
                await reply.head()
            except Stale as error:
                if fresh:
                    raise AttemptFailed(Verdict(error, Blame.SERVER)) from error
            except (ProviderUnavailable, ProviderTimeout, ProtocolError) as error:
                raise AttemptFailed(Verdict(error, Blame.SERVER)) from error
            finally:
                if not reply.head_complete:
                    server.dialer.done(reply)
            if reply.head_complete:
                break
        return reply

    def within(self, trip: Trip, seconds: float) -> float:
        """`seconds`, or what is left of the request's whole time."""
        return max(0.001, min(seconds, trip.ends_by - self.now()))

    def now(self) -> float:
        """The loop's clock, in seconds."""
        return asyncio.get_running_loop().time()

    def hold_against(self, upstream: Upstream, error: ArchonError) -> None:
        """Note a failure of the server itself; it may be ejected for it."""
        blame = blame_for(error)
        if blame is Blame.CLIENT:
            return
        self.metrics.upstream_errors.labels(upstream.name, error.code).inc()
        pool = upstream.pool
        if blame is Blame.SERVER and pool is not None and pool.failed(upstream, error, self.now()):
            self.fleet.ejected(upstream)

    def _is_bulk(self, trip: Trip) -> bool:
        if trip.ask.ability is not Ability.EMBEDDINGS:
            return False
        inputs = trip.ask.fields.get("input")
        return isinstance(inputs, list) and len(inputs) > 1 and is_bulk(self.fleet, trip.ask)

    def _body(self, trip: Trip, route: Route) -> bytes:
        return with_fields(trip.ask, {"model": route.model}) if route.renamed else trip.ask.body

    async def _attempt(self, trip: Trip, route: Route, upstream: Upstream) -> Whole | None:
        server = self.fleet.servers.get(upstream)
        if server is None:
            raise AttemptFailed(Verdict(ProviderUnavailable(f"{upstream.name} was taken out."), Blame.NOBODY))
        whole = await self.attempt_on(trip, route, server)
        if trip.outcome in (None, Outcome.COMPLETE):
            upstream.succeeded()
        return whole

    async def _plain(self, trip: Trip, server: Server, body: bytes) -> Whole:
        """A plain call: nothing goes to the client before the whole answer is here and found good."""
        reply = await self.send_to(trip, server, trip.ask.path, body)
        try:
            return Whole(server, reply, await reply.whole())
        except (ProviderUnavailable, ProviderTimeout, ProtocolError) as error:
            raise AttemptFailed(Verdict(error, Blame.SERVER)) from error
        finally:
            server.dialer.done(reply)

    def _check(self, trip: Trip, whole: Whole, max_model_len: int | None) -> None:
        """Raise AttemptFailed where a whole answer is not one for the client."""
        reply, name = whole.reply, whole.server.name
        check_loop(reply, name)
        kind = reply.header(b"content-type")
        verdict = judge(reply.status, kind, reply.header(b"retry-after"), whole.content, name)
        if verdict is None:
            _require_all_vectors(trip, kind, whole.content, name)
            _count_tokens(trip, whole.content, max_model_len)
        elif verdict.as_is and not isinstance(verdict.error, ModelNotFound):
            trip.error = verdict.error
        else:
            raise AttemptFailed(verdict)

    def headers(self, trip: Trip, reply: Reply) -> RawHeaders:
        """The answer's headers for the client: the server's own but for hop-by-hop ones, and ours."""
        headers = [pair for pair in reply.headers if pair[0] not in _NOT_RETURNED]
        headers.extend(trip.own_headers())
        if trip.context_full:
            headers.append((b"x-archon-context-full", b"1"))
        return headers

    async def _settle(self, trip: Trip, upstream: Upstream, verdict: Verdict) -> None:
        """Draw the conclusions for the server's standing; raise where another try could not help."""
        error = verdict.error
        self.hold_against(upstream, error)
        if verdict.blame is Blame.SERVER:
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
        others = any(one.ready and one not in tried for one in candidates)
        # A request that no server has seen costs nobody anything: it may ask every server there is.
        unsent = isinstance(error, _UNSENT)
        if (trip.attempts >= rules.attempts and not (unsent and others)) or not (unsent or self.budget.spend()):
            self.metrics.retries_exhausted.inc()
            raise error
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


def affinity_key(trip_headers: RawHeaders, header: bytes, ability: Ability, body: bytes) -> bytes | None:
    """What keeps requests of one conversation on one server: the session header, else the beginning of the prompt."""
    for name, value in trip_headers:
        if name == header:
            return value
    if ability in (Ability.CHAT, Ability.COMPLETIONS):
        start = body.find(b'"messages"' if ability is Ability.CHAT else b'"prompt"')
        return body[start : start + 256] if start >= 0 else None
    return None


def _require_all_vectors(trip: Trip, kind: bytes, content: bytes, who: str) -> None:
    """Raise AttemptFailed where a server has left out or added vectors: the client could not tell whose are whose."""
    if trip.ask.ability is not Ability.EMBEDDINGS or not kind.startswith(b"application/json"):
        return
    inputs = trip.ask.fields.get("input")
    several = isinstance(inputs, list) and not (inputs and isinstance(inputs[0], int))
    wanted = len(inputs) if several and isinstance(inputs, list) else 1
    found = content.count(b'"index"')
    if found != wanted and (found or b'"embedding"' not in content):
        error = ProtocolError(f"{who} gave {found} vectors for {wanted} texts.")
        raise AttemptFailed(Verdict(error, Blame.SERVER))


def _count_tokens(trip: Trip, content: bytes, max_model_len: int | None) -> None:
    """Read the usage at the end of an answer without parsing it (an embedding answer has megabytes)."""
    start = content.rfind(b'"usage"')
    if start < 0:
        return
    if prompt := _PROMPT_TOKENS.search(content, start, start + 400):
        trip.prompt_tokens = int(prompt[1])
    if completion := _COMPLETION_TOKENS.search(content, start, start + 400):
        trip.completion_tokens = int(completion[1])
    asked = trip.ask.fields.get("max_completion_tokens") or trip.ask.fields.get("max_tokens")
    total = (trip.prompt_tokens or 0) + (trip.completion_tokens or 0)
    if max_model_len is not None and isinstance(asked, int) and trip.ask.choices == 1:
        trip.context_full = total >= max_model_len and (trip.completion_tokens or 0) < asked
