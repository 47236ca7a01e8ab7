"""Relays a stream: byte for byte while all goes well, with exactly one outcome, and never a silent or invented end.

Nothing is sent before the first event is here, so that a server which fails at once (a full queue says so inside a
200) can still be replaced. Deadlines count events, not bytes: a hung engine still sends keep-alive comments.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from src.errors import (
    ArchonError,
    FirstByteTimeout,
    ProtocolError,
    ProviderTimeout,
    ProviderUnavailable,
    StallTimeout,
    StreamCut,
)
from src.inference.connection import Reply
from src.inference.models import Outcome

from .ask import with_fields
from .continuation import Continuation
from .envelope import envelope_bytes
from .heal import Healing
from .server import Server
from .sse import StreamWatch
from .trip import AttemptFailed, Trip, Whole
from .verdict import Blame, Verdict, judge_event

if TYPE_CHECKING:
    from .fleet import Route
    from .relay import Relay

_LAST_CHUNK_S = 0.25


class StreamRelay:
    """One stream on its way from a server to a client."""

    def __init__(self, relay: Relay, trip: Trip, route: Route, server: Server) -> None:
        self.relay = relay
        self.trip = trip
        self.route = route
        self.server = server
        self.watch = StreamWatch(trip.ask.choices)
        self.healing = Healing.of(trip.ask, route) if route.options.heal else None
        self._loop = asyncio.get_running_loop()

    async def run(self) -> Whole | None:
        """Relay it to its end; an answer that is no stream comes back whole instead, nothing of it sent.

        Raises:
            AttemptFailed: nothing has been sent to the client; another server may be tried.
        """
        changes: dict[str, object] = {"model": self.route.model} if self.route.renamed else {}
        if self.healing is not None:
            changes |= self.healing.asks_for()
        body = with_fields(self.trip.ask, changes) if changes else self.trip.ask.body
        reply = await self.relay.send_to(self.trip, self.server, self.trip.ask.path, body)
        try:
            if reply.status != 200 or not reply.header(b"content-type").startswith(b"text/event-stream"):
                return Whole(self.server, reply, await self._whole(reply))
            first = await self._first_event(reply)
            await self._flow(reply, first)
        except asyncio.CancelledError:
            if self.trip.outcome is None:
                self._count_leaving(reply)
            raise
        else:
            return None
        finally:
            self.server.dialer.done(reply)

    async def _whole(self, reply: Reply) -> bytes:
        try:
            return await reply.whole()
        except (ProviderUnavailable, ProviderTimeout) as error:
            raise AttemptFailed(Verdict(error, Blame.SERVER)) from error

    async def _first_event(self, reply: Reply) -> bytes:
        """Wait for the first event; an error in its place is a failed try, not a stream."""
        reply.due = self._loop.time() + self.relay.within(self.trip, self.relay.config.timeouts.first_byte_s)
        reply.timeout = FirstByteTimeout
        held = b""
        while not self.watch.events and not self.watch.over:
            try:
                piece = await reply.piece()
            except (ProviderUnavailable, ProviderTimeout, ProtocolError) as error:
                raise AttemptFailed(Verdict(error, Blame.SERVER)) from error
            if not piece:
                held += self.watch.close()
                break
            held += self.watch.feed(piece)
        if self.watch.error is not None and not held:
            raise AttemptFailed(judge_event(self.watch.error, self.server.name))
        if not self.watch.events:
            raise AttemptFailed(
                Verdict(StreamCut(f"{self.server.name} ended the stream before its first event."), Blame.SERVER)
            )
        self.trip.first_byte_s = self._loop.time() - self.trip.started
        return held

    async def _flow(self, reply: Reply, held: bytes) -> None:
        """Pass on event after event. The head goes out with the first one."""
        request, watch = self.trip.request, self.watch
        request.begin(200, self.relay.headers(self.trip, reply))
        try:
            await self._pass_on(reply, held)
            failure: ArchonError | None = None
        except (ProviderUnavailable, ProviderTimeout, ProtocolError) as error:
            failure = error
        if failure is None and watch.complete:
            await self._finish()
            await self._last_chunk(reply)
            return
        self.server.dialer.done(reply)
        outcome, failure = self._what_happened(failure)
        self.relay.hold_against(self.server.upstream, failure)
        if self.healing is not None and await Continuation(self, self.healing).run():
            return
        await self.break_off(outcome, failure)

    async def _pass_on(self, reply: Reply, held: bytes) -> None:
        watch, trip = self.watch, self.trip
        patience = self.relay.config.timeouts.between_bytes_s
        client_keeps_up = trip.request.keeps_up

        def take(piece: bytes) -> bool:
            seen = watch.events
            events = watch.feed(piece)
            if events:
                self._put(events)
            if watch.events != seen:
                reply.due = min(self._loop.time() + patience, trip.ends_by)
            return not watch.over and client_keeps_up()

        reply.timeout = StallTimeout
        more = True
        await self.send(held)
        while more and not watch.over:
            reply.due = min(self._loop.time() + patience, trip.ends_by)
            more = await reply.flow_into(take)
            reply.due = trip.ends_by
            await trip.request.drain()
        if not more:
            await self.send(watch.close())

    async def send(self, events: bytes) -> None:
        """Give whole events to the client, without what only healing asked for."""
        if events:
            self._put(events)
            await self.trip.request.drain()

    def _put(self, events: bytes) -> None:
        self.trip.request.put(self.healing.take(events) if self.healing is not None else events)

    async def _finish(self) -> None:
        """The stream is whole: pass its ending on and note what it counted."""
        watch, trip = self.watch, self.trip
        trip.outcome = Outcome.COMPLETE
        trip.finish_reason = ",".join(sorted(set(watch.reasons.values())))
        self.note_tokens()
        if watch.ending:
            await trip.request.write(watch.ending)
        trip.request.end()

    async def _last_chunk(self, reply: Reply) -> None:
        """Let the server's last bytes arrive, so that the connection can be used again."""
        reply.due = self._loop.time() + _LAST_CHUNK_S
        try:
            while await reply.piece():
                pass
        except (ProviderUnavailable, ProviderTimeout, ProtocolError):
            return

    def _what_happened(self, failure: ArchonError | None) -> tuple[Outcome, ArchonError]:
        if isinstance(failure, StallTimeout):
            if self._loop.time() >= self.trip.ends_by:
                return Outcome.STALLED, ProviderTimeout("The answer took longer than the whole time allowed for it.")
            return Outcome.STALLED, failure
        if failure is not None:
            return Outcome.TRUNCATED, StreamCut(f"The answer broke off: {failure.message}")
        if self.watch.error is not None:
            return Outcome.UPSTREAM_ERROR, judge_event(self.watch.error, self.server.name).error
        return Outcome.TRUNCATED, StreamCut(f"{self.server.name} ended the stream without a finish_reason.")

    def end_healed(self) -> None:
        """The stream was made whole elsewhere."""
        self.trip.request.put(b"data: [DONE]\n\n")
        self.trip.request.end()

    async def break_off(self, outcome: Outcome, failure: ArchonError) -> None:
        """End a stream that cannot be made whole: one error event in OpenAI's shape, and no `[DONE]`."""
        trip = self.trip
        trip.outcome = outcome
        trip.error = failure
        self.note_tokens()
        await trip.request.write(b"data: " + envelope_bytes(failure, trip.request_id) + b"\n\n")
        trip.request.end()

    def note_tokens(self) -> None:
        """Take over what the server counted; without its usage every event but the first counts as a token."""
        trip, watch = self.trip, self.watch
        trip.prompt_tokens = watch.counted.prompt
        counted = watch.counted.completion
        trip.completion_tokens = counted if counted is not None else max(0, watch.events - 1)
        if watch.bad_lines:
            self.relay.metrics.bad_lines.inc(watch.bad_lines)

    def _count_leaving(self, reply: Reply) -> None:
        unread = self.watch.count_unread(reply.waiting_bytes())
        self.note_tokens()
        if unread:
            self.relay.metrics.after_leaving.inc(unread)
