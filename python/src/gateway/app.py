"""The gateway's front desk: who may come in, which endpoint is meant, and what is written down afterwards."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Callable

from src.config import Environment
from src.config.access import is_loopback
from src.errors import ArchonError, ConfigurationError, ErrorContext, InvalidInput, NotFound
from src.inference.connection import RawHeaders
from src.inference.fallback import LinkHealth
from src.inference.models import Outcome

from .access import Doorman
from .ask import ABILITY_OF_PATH, read_ask
from .chain import Chain
from .config import GatewayConfig
from .deadlines import Deadlines
from .envelope import JSON, LoopDetected, envelope_bytes, retry_after, status_of
from .fleet import Fleet
from .front import Request
from .front_limits import front_limits
from .keys import Holder, KeyRing
from .log import AccessLog, Clock
from .metrics import Metrics
from .pages import Pages
from .relay import Relay, affinity_key
from .server import PSEUDONYM, Envoy
from .trip import Trip

_OWN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_FIRST_LOOK_S = 1.0
_logger = logging.getLogger("archon.gateway")


class MethodNotAllowed(InvalidInput):
    """The endpoint exists, but not for this method."""

    code = "method_not_allowed"
    http_status = 405
    default_next_step = "Use POST for inference and GET for everything else."


class Crash(ArchonError):
    """A fault of the gateway itself."""

    code = "internal"
    default_next_step = "Look at the gateway's log for the request id and report it."


class Gateway:
    """Everything behind the listening socket. `bind` is the address listened on."""

    def __init__(
        self, config: GatewayConfig, environment: Environment, bind: str, log: AccessLog | None = None
    ) -> None:
        self.config = config
        self.environment = environment
        self.deadlines = Deadlines()
        self.metrics = Metrics()
        self.fleet = Fleet(config, environment, self.deadlines, self.metrics)
        self.relay = Relay(self.fleet, config, self.metrics, self._chain_of(config))
        self._board_task: asyncio.Task[None] | None = None
        self.log = log or AccessLog()
        self._clock = Clock()
        self.running = 0
        self.metrics.running.set_function(lambda: self.running)
        self._bind = bind
        self._doorman = Doorman(environment, bind)
        self._keys = self._key_ring(config)
        self._pages = Pages(self.fleet, self.metrics, self._fallback_health, lambda: self.running)
        self._numbers = itertools.count(1)
        self._prefix = f"req-{secrets.token_hex(4)}-"
        self._configure(config)

    async def start(self) -> None:
        """Begin to watch the servers; returns when each has been asked once (or has not answered in a second)."""
        self.deadlines.start()
        self.deadlines.every_sweep(self.log.flush)
        self.deadlines.every_sweep(self._sweep_idle)
        self.fleet.start()
        self._watch_chain()
        await self.fleet.first_look(_FIRST_LOOK_S)

    async def stop(self) -> None:
        """Stop watching, close what is idle, write the rest of the log."""
        if self._board_task is not None:
            self._board_task.cancel()
        await self.fleet.stop()
        self.deadlines.stop()
        self.log.flush()

    def reload(self, config: GatewayConfig) -> None:
        """Take on a new configuration; requests under way go on as they began.

        Raises:
            ConfigurationError: the new one cannot be used; the old one stays in force.
        """
        keys, chain = self._key_ring(config), self._chain_of(config)
        keys.take_over(self._keys)
        self.fleet.reload(config)
        self.relay.chain = chain
        self._watch_chain()
        self._keys, self.config = keys, config
        self.relay.configure(config)
        self._configure(config)

    def _configure(self, config: GatewayConfig) -> None:
        self.limits = front_limits(config.limits)
        self._session_header = config.session_header.lower().encode()
        self._affinities = any(pool.affinity != "off" for pool in config.pools)

    async def handle(self, request: Request) -> None:
        """Answer one request."""
        path = request.target.partition(b"?")[0]
        ability = ABILITY_OF_PATH.get(path)
        request_id = self._request_id(request)
        holder: Holder | None = None
        trip: Trip | None = None
        started = time.monotonic()
        self.running += 1
        try:
            holder = self._let_in(request, path)
            holder.enter(started)
            if ability is None or request.method != b"POST":
                await self._other(request, path, request_id, known=ability is not None)
                return
            trip = self._set_out(request, path, request_id, started)
            if self._affinities:
                trip.affinity = self._affinity(trip)
            await self.relay.serve(trip)
        except ArchonError as error:
            self._refuse(request, request_id, error, trip)
        except asyncio.CancelledError:
            self._client_left(trip)
            raise
        except Exception:
            # the request's edge: whatever we did not think of must not take the connection's other requests along
            _logger.exception("request %s failed inside the gateway", request_id)
            self._refuse(request, request_id, Crash("The gateway failed at this request."), trip)
        finally:
            self.running -= 1
            if holder is not None:
                holder.leave()
            if ability is not None:
                self._write_down(request, path, request_id, started, trip, holder)

    def refused(self, error: ArchonError, peer: str) -> str:
        """Write down a request that was refused before it was read; returns an id for its answer."""
        self.metrics.refused.labels(error.code).inc()
        request_id = f"{self._prefix}{next(self._numbers):x}"
        if self.config.access_log:
            told = {"request_id": request_id, "peer": peer, "status": error.http_status, "error": error.code}
            self.log.add({"time": self._clock.now()} | told)
        return request_id

    def _let_in(self, request: Request, path: bytes) -> Holder:
        if PSEUDONYM in request.header(b"via"):
            raise LoopDetected("This request has been here before: a model server of this gateway leads back to it.")
        self._doorman.check(request.header(b"host"), request.header(b"origin"))
        if path in (b"/health", b"/health/live"):
            return self._keys.anyone
        return self._keys.holder(request.header(b"authorization"))

    def _set_out(self, request: Request, path: bytes, request_id: str, started: float) -> Trip:
        ask = read_ask(path, ABILITY_OF_PATH[path], request.body)
        authorization = request.header(b"authorization") if self._keys.open else b""
        return Trip(
            request=request,
            ask=ask,
            request_id=request_id,
            envoy=Envoy(
                request.headers,
                request_id.encode(),
                b"authorization: " + authorization + b"\r\n" if authorization else b"",
            ),
            started=started,
            ends_by=started + self.config.timeouts.total_s,
        )

    def _affinity(self, trip: Trip) -> bytes | None:
        mode = self.fleet.route(trip.ask.ability, trip.ask.model).options.affinity
        if mode == "off":
            return None
        body = trip.ask.body if mode == "prefix" else b""
        return affinity_key(trip.request.headers, self._session_header, trip.ask.ability, body)

    async def _other(self, request: Request, path: bytes, request_id: str, *, known: bool) -> None:
        page = None if known else self._pages.find(path)
        if page is None and not known:
            raise NotFound(
                f"There is nothing at {path.decode('latin-1')[:200]}.",
                next_step="docs/operate/gateway.md lists the endpoints.",
            )
        if page is None or request.method not in (b"GET", b"HEAD"):
            raise MethodNotAllowed(f"{request.method.decode()} is not offered at {path.decode('latin-1')}.")
        status, kind, body = await page()
        headers: RawHeaders = [(b"content-type", kind), (b"x-request-id", request_id.encode())]
        request.answer(status, headers, body)

    def _refuse(self, request: Request, request_id: str, error: ArchonError, trip: Trip | None) -> None:
        if trip is not None:
            trip.error = error
        else:
            self.metrics.errors.labels(error.code).inc()
        if request.sent:
            # the answer had begun and its framing cannot hold an error: break it visibly
            request.cut()
            return
        status = status_of(error)
        headers: RawHeaders = [JSON, (b"x-request-id", request_id.encode())]
        wait = retry_after(error)
        if wait is not None:
            headers.append((b"retry-after", wait))
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        request.answer(status, headers, envelope_bytes(error, request_id))

    def _client_left(self, trip: Trip | None) -> None:
        if trip is None:
            self.metrics.cancelled.inc()
        elif trip.outcome is None:
            self.metrics.cancelled.inc()
            trip.outcome = Outcome.CANCELLED

    def _request_id(self, request: Request) -> str:
        """An id of our own; a client's id becomes its beginning, since two clients may choose the same one."""
        number = f"{next(self._numbers):x}"
        given = request.header(b"x-request-id")
        if given and _OWN_ID.fullmatch(given):
            return f"{given.decode()}-{self._prefix[4:]}{number}"
        return f"{self._prefix}{number}"

    def _write_down(
        self, request: Request, path: bytes, request_id: str, started: float, trip: Trip | None, holder: Holder | None
    ) -> None:
        total_s = time.monotonic() - started
        endpoint = path.decode("latin-1")
        status = request.sent or 499
        model = trip.model if trip is not None else ""
        upstream = trip.upstream if trip is not None else ""
        meter = self.metrics.meter(endpoint, model, upstream, status)
        meter.requests.inc()
        meter.duration.observe(total_s)
        if trip is not None:
            self._count(trip, status, meter.first_token.observe)
            if trip.prompt_tokens:
                meter.prompt_tokens.inc(trip.prompt_tokens)
            if trip.completion_tokens:
                meter.completion_tokens.inc(trip.completion_tokens)
        if holder is not None and holder.name:
            self.metrics.asked_by(holder.name, status)
        if self.config.access_log:
            self.log.add(_line(self._clock.now(), request, endpoint, request_id, status, total_s, trip, holder))

    def _count(self, trip: Trip, status: int, first_token: Callable[[float], None]) -> None:
        metrics = self.metrics
        failed = status >= 500 or (status == 200 and trip.error is not None)
        if trip.ask.stream and trip.outcome is None and failed:
            # before its first event, or by a fault of the gateway itself
            trip.outcome = Outcome.UPSTREAM_ERROR
        if trip.first_byte_s is not None:
            first_token(trip.first_byte_s)
        if trip.context_full:
            metrics.clamped.inc()
        if trip.ask.stream and trip.outcome is not None:
            metrics.streams.labels(trip.outcome.value).inc()
            if trip.outcome is Outcome.TRUNCATED:
                metrics.truncated.inc()
        if trip.error is not None:
            metrics.errors.labels(trip.error.code).inc()

    def _chain_of(self, config: GatewayConfig) -> Chain | None:
        return Chain.of(config, self.environment, self.deadlines, self.metrics)

    def _fallback_health(self) -> list[LinkHealth]:
        return self.relay.chain.board.seen() if self.relay.chain is not None else []

    def _watch_chain(self) -> None:
        if self._board_task is not None:
            self._board_task.cancel()
        chain = self.relay.chain
        self._board_task = asyncio.create_task(chain.board.run(), name="look at fallbacks") if chain else None

    def _sweep_idle(self, now: float) -> None:
        for server in self.fleet.servers.values():
            server.dialer.close_idle(now)

    def _key_ring(self, config: GatewayConfig) -> KeyRing:
        keys = KeyRing(config.keys, self.environment)
        if keys.open and not is_loopback(self._bind.strip("[]")):
            token = self.environment.token
            if token is None:
                raise _unguarded(self._bind)
            keys.demand(token)
        return keys


def _unguarded(bind: str) -> ArchonError:
    return ConfigurationError(
        f"The gateway would listen at {bind}, where other machines reach it, but it has no API key.",
        next_step="Set ARCHON_TOKEN or [[keys]] in gateway.toml, or listen at 127.0.0.1.",
        context=ErrorContext(field="ARCHON_TOKEN"),
    )


def _line(
    now: str,
    request: Request,
    endpoint: str,
    request_id: str,
    status: int,
    total_s: float,
    trip: Trip | None,
    holder: Holder | None,
) -> dict[str, object]:
    """The access log's line. No key, no prompt, no answer."""
    line: dict[str, object] = {
        "time": now,
        "request_id": request_id,
        "peer": request.peer,
        "endpoint": endpoint,
        "status": status,
        "total_s": round(total_s, 4),
        "key": holder.name if holder is not None else None,
    }
    if trip is not None:
        line |= {
            "model": trip.ask.model,
            "served_model": trip.model if trip.model != trip.ask.model else None,
            "upstream": trip.upstream,
            "provider": trip.provider,
            "attempts": trip.attempts if trip.attempts > 1 else None,
            "stream": trip.ask.stream or None,
            "first_byte_s": round(trip.first_byte_s, 4) if trip.first_byte_s is not None else None,
            "prompt_tokens": trip.prompt_tokens,
            "completion_tokens": trip.completion_tokens,
            "outcome": trip.outcome.value if trip.outcome is not None else None,
            "finish_reason": trip.finish_reason,
            "heals": trip.heals or None,
            "error": trip.error.code if trip.error is not None else None,
        }
    return line
