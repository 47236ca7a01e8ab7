"""Goes on with a broken stream on another server and writes its events in the shape of the first one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from src.errors import ArchonError, StallTimeout, StreamCut
from src.inference.connection import Reply
from src.inference.models import Outcome
from src.inference.pools import Ability, PoolReplaced, Upstream

from .ask import Fields
from .heal import CannotHeal, Healing, Restart, first_choice, numbers
from .server import Server
from .sse import StreamWatch
from .trip import AttemptFailed

if TYPE_CHECKING:
    from .streams import StreamRelay

_PATH = b"/v1/completions"
_TRIES = 3


class Continuation:
    """The rest of one broken stream."""

    def __init__(self, stream: StreamRelay, healing: Healing) -> None:
        self._stream = stream
        self._healing = healing
        self._relay = stream.relay
        self._trip = stream.trip
        self._left_out = ""
        self._generated = 0

    async def run(self) -> bool:
        """Go on until the stream is whole; False when it cannot be made whole, and nothing was invented."""
        failed: list[Upstream] = [self._stream.server.upstream]
        for _ in range(_TRIES):
            upstream = await self._enter(failed) if self._healing.possible else None
            if upstream is None:
                break
            try:
                await self._go_on(self._relay.fleet.servers[upstream])
            except CannotHeal:
                break
            except ArchonError as error:
                failed.append(upstream)
                self._relay.hold_against(upstream, error)
            except AttemptFailed as failure:
                failed.append(upstream)
                self._relay.hold_against(upstream, failure.verdict.error)
            else:
                self._relay.metrics.heals.labels("healed").inc()
                return True
            finally:
                upstream.leave()
        self._relay.metrics.heals.labels("failed").inc()
        return False

    async def _enter(self, failed: list[Upstream]) -> Upstream | None:
        ask = self._trip.ask
        try:
            # Where the model is served now: the configuration may have changed since the stream began.
            pool = self._relay.fleet.route(ask.ability, ask.model).pool
            others = [one for one in pool.offering(Ability.COMPLETIONS, self._stream.route.model) if one not in failed]
            return await pool.enter(others, (), None) if any(one.ready for one in others) else None
        except (ArchonError, PoolReplaced):
            # no place anywhere: the stream ends with the error that broke it, not with this one
            return None

    async def _go_on(self, server: Server) -> None:
        restart = await self._healing.restart_on(server, self._relay.config.timeouts.first_byte_s)
        request = self._healing.continuation(restart, self._stream.route.model)
        body = json.dumps(request, ensure_ascii=False).encode()
        reply = await self._relay.send_to(self._trip, server, _PATH, body)
        self._trip.heals += 1
        try:
            await self._pass_on(server, reply, restart)
        finally:
            server.dialer.done(reply)

    async def _pass_on(self, server: Server, reply: Reply, restart: Restart) -> None:
        if reply.status != 200 or not reply.header(b"content-type").startswith(b"text/event-stream"):
            raise CannotHeal(f"{server.name} did not take the continuation")
        watch = StreamWatch(1)
        self._left_out = restart.overlap
        self._healing.delivered.ids = list(restart.ids)
        self._generated = len(restart.ids)
        seconds = self._relay.config.timeouts
        reply.due = self._due(seconds.first_byte_s)
        while not watch.over:
            piece = await reply.piece()
            seen = watch.events
            for event in _events_in(watch.feed(piece) if piece else watch.close()):
                await self._pass_event(event)
            if not piece:
                break
            if watch.events > seen:
                reply.due, reply.timeout = self._due(seconds.between_bytes_s), StallTimeout
        if not watch.complete:
            self._relay.metrics.upstream_errors.labels(server.name, "stream_cut").inc()
            raise StreamCut(f"{server.name} broke the continuation too.")
        self._finish(server, watch)

    def _due(self, seconds: float) -> float:
        return min(self._relay.now() + seconds, self._trip.ends_by)

    async def _pass_event(self, event: Fields) -> None:
        choice = first_choice(event)
        if choice is None:
            await self._pass_usage(event)
            return
        text = self._new_text(str(choice.get("text") or ""))
        reason = choice.get("finish_reason")
        self._healing.delivered.ids += numbers(choice.get("token_ids"))
        self._healing.delivered.parts.append(text)
        if text or reason:
            await self._write(self._shaped(text, reason, choice.get("stop_reason")))

    def _new_text(self, text: str) -> str:
        """`text` without what the client has already; raise where the server writes something else there."""
        if not self._left_out:
            return text
        common = min(len(text), len(self._left_out))
        if text[:common] != self._left_out[:common]:
            raise CannotHeal("the other server writes another text")
        self._left_out = self._left_out[common:]
        return text[common:]

    def _shaped(self, text: str, reason: object, stop_reason: object) -> Fields:
        """An event like those before it, with this text; the closing one says that the stream was healed, and how."""
        template = self._healing.delivered.template
        event: Fields = {
            name: value
            for name, value in template.items()
            if name not in ("choices", "prompt_token_ids", "prompt_text", "usage")
        }
        chat = self._healing.ask.ability is Ability.CHAT
        choice: Fields = {"index": 0, "delta": {"content": text}} if chat else {"index": 0, "text": text}
        choice |= {"logprobs": None, "finish_reason": reason, "token_ids": None}
        if reason:
            choice["stop_reason"] = stop_reason
            event["archon"] = {"healed": self._trip.heals, "promise": self._healing.promise()}
        return event | {"choices": [choice]}

    async def _pass_usage(self, event: Fields) -> None:
        """The usage of the whole stream, as one server would have counted it."""
        usage = event.get("usage")
        if not isinstance(usage, dict):
            return
        prompt = len(self._healing.delivered.prompt_ids)
        counted = usage.get("completion_tokens")
        completion = self._generated + (counted if isinstance(counted, int) else 0)
        self._trip.prompt_tokens, self._trip.completion_tokens = prompt, completion
        if self._healing.wants_usage():
            template = self._healing.delivered.template
            whole = {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}
            head: Fields = {name: template[name] for name in ("id", "object", "created", "model") if name in template}
            await self._write(head | {"choices": [], "usage": whole})

    async def _write(self, event: Fields) -> None:
        data = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        await self._trip.request.write(b"data: " + data + b"\n\n")

    def _finish(self, server: Server, watch: StreamWatch) -> None:
        trip = self._trip
        trip.outcome = Outcome.COMPLETE
        trip.upstream = server.name
        trip.finish_reason = ",".join(watch.reasons.values())
        self._stream.end_healed()


def _events_in(events: bytes) -> list[Fields]:
    try:
        found = [json.loads(line[5:]) for line in events.splitlines() if line.startswith(b"data:")]
    except ValueError as error:
        raise CannotHeal("the other server writes no JSON") from error
    return [event for event in found if isinstance(event, dict)]
