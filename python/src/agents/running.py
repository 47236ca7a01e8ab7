"""Answers that are being written: things of the server, not of the request that asked for them.

Each has a task of its own and keeps its events, so that a page that is reloaded goes on where it was, and two tabs see
the same. It lives as long as somebody watches it, and `keep_s` seconds longer; then the model's work is stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias

import structlog

from src.errors import ArchonError
from src.inference.models import Outcome

from .events import ChatEvent, DoneEvent, ErrorEvent, StartEvent, TokenEvent
from .request import AskRequest
from .writing import Control

LONGEST_KEEP_S = 300.0
"""How long an answer may go on unwatched at most."""

Asking: TypeAlias = Callable[[AskRequest, Control], AsyncGenerator[ChatEvent, None]]
"""Gives the events of an answer; closing them stops the model."""

_log = structlog.get_logger("archon.agents.running")


class Interrupted(ArchonError):
    """The server was stopped while it wrote an answer."""

    code = "interrupted"
    http_status = 503
    retryable = True
    meaning = "Archon's server was stopped in the middle of an answer; what had come is kept."
    default_next_step = "Continue the answer, or ask again."


class RunningAnswer:
    """One answer on its way. `events` are all it has said so far, `start` first."""

    def __init__(
        self, request: AskRequest, asking: Asking, keep_s: float, ended: Callable[[RunningAnswer], None]
    ) -> None:
        self.events: list[ChatEvent] = []
        self.started: asyncio.Future[StartEvent] = asyncio.get_running_loop().create_future()
        self.is_over = False
        self._request = request
        self._asking = asking
        self._keep_s = min(keep_s, LONGEST_KEEP_S)
        self._ended = ended
        self._control = Control()
        self._news = asyncio.Event()
        self._watchers = 0
        self._giving_up: asyncio.TimerHandle | None = None
        self._task = asyncio.ensure_future(self._run())

    async def watch(self, after: int = 0) -> AsyncGenerator[tuple[int, ChatEvent], None]:
        """The events from number `after` on, each with the number to go on from; `done` is the last one.

        Pieces of text that are there already are given as one: all that came before, and what a fast model wrote
        while the one before was being sent.
        """
        self._watchers += 1
        self._stay()
        place = after if 0 <= after <= len(self.events) else 0
        try:
            while True:
                for number, event in _joined(self.events, place):
                    place = number
                    yield number, event
                if place < len(self.events):
                    continue
                if self.is_over:
                    return
                await self._news.wait()
        finally:
            self._watchers -= 1
            self._left()

    async def stop(self) -> None:
        """Stop the model's work now; what came is kept."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def interrupt_soon(self) -> None:
        """From here on it is stopped because the server ends, whoever stops it."""
        self._control.interrupted = Interrupted("Archon's server was stopped in the middle of this answer.")

    async def interrupt(self) -> None:
        """Stop it because the server ends; it can be continued later."""
        self.interrupt_soon()
        await self.stop()

    def _stay(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _left(self) -> None:
        """Nobody may be watching any more."""
        if self._watchers or self.is_over:
            self._forget()
        elif self._keep_s > 0:
            self._giving_up = asyncio.get_running_loop().call_later(self._keep_s, self._task.cancel)
        else:
            self._task.cancel()

    def _forget(self) -> None:
        if self.is_over and not self._watchers:
            self._ended(self)

    async def _run(self) -> None:
        try:
            async with aclosing(self._asking(self._request, self._control)) as events:
                async for event in events:
                    self._say(event)
        except asyncio.CancelledError:
            self._close(Outcome.CANCELLED, None)
            raise
        except ArchonError as error:
            self._close(Outcome.UPSTREAM_ERROR, error)
        except Exception as error:  # noqa: BLE001 - the job edge: whoever waits for `done` must get it
            _log.exception("answer failed")
            failed = ArchonError("Archon made a mistake while it answered.")
            failed.__cause__ = error
            self._close(Outcome.UPSTREAM_ERROR, failed)
        finally:
            self._stay()
            self.is_over = True
            self._wake()
            self._forget()

    def _say(self, event: ChatEvent) -> None:
        self.events.append(event)
        if isinstance(event, StartEvent) and not self.started.done():
            self.started.set_result(event)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _close(self, outcome: Outcome, error: ArchonError | None) -> None:
        """End the events of an answer that was broken off; one that never began passes its failure on."""
        if not self.started.done():
            if error is None:
                self.started.cancel()
            else:
                self.started.set_exception(error)
            return
        if self.events and isinstance(self.events[-1], DoneEvent):
            return
        for event in self._control.last or self._last(outcome, error):
            self._say(event)

    def _last(self, outcome: Outcome, error: ArchonError | None) -> tuple[ChatEvent, ...]:
        text = "".join(event.text for event in self.events if isinstance(event, TokenEvent))
        message_id = self.started.result().message_id
        done = DoneEvent(outcome, None, None, text, message_id)
        return (done,) if error is None else (ErrorEvent(error), done)


class RunningAnswers:
    """The answers that this server is writing, by the message that they fill."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._by_message: dict[str, RunningAnswer] = {}
        self._all: set[RunningAnswer] = set()

    async def begin(self, request: AskRequest, keep_s: float) -> RunningAnswer:
        """Ask, and return once the answer has its message. Whoever asked is expected to watch it.

        Raises:
            ArchonError: whatever keeps the answer from beginning; then nothing is stored.
        """
        run = RunningAnswer(request, self._asking, keep_s, self._end)
        self._all.add(run)
        begun = False
        try:
            start = await asyncio.shield(run.started)
            begun = True
        finally:
            # The one who asked left before the answer began, or it cannot begin.
            if not begun:
                await run.stop()
                self._all.discard(run)
        if not run.is_over:
            self._by_message[start.message_id] = run
        return run

    def get(self, message_id: str) -> RunningAnswer | None:
        """The running answer that fills this message, if it is one of this server's."""
        return self._by_message.get(message_id)

    async def stop(self, message_id: str) -> bool:
        """Stop an answer; False when it is not running here."""
        run = self._by_message.get(message_id)
        if run is None:
            return False
        await run.stop()
        return True

    async def close(self) -> None:
        """Stop all of them, because the server ends."""
        await asyncio.gather(*(run.interrupt() for run in list(self._all)), return_exceptions=True)

    def _end(self, run: RunningAnswer) -> None:
        self._all.discard(run)
        for event in run.events[:1]:
            if isinstance(event, StartEvent) and self._by_message.get(event.message_id) is run:
                del self._by_message[event.message_id]


def _joined(events: list[ChatEvent], after: int) -> list[tuple[int, ChatEvent]]:
    """`events` from number `after` on with their numbers; pieces of text that follow each other are one."""
    found: list[tuple[int, ChatEvent]] = []
    pieces: list[str] = []
    for number, event in enumerate(events[after:], start=after + 1):
        if isinstance(event, TokenEvent):
            pieces.append(event.text)
            continue
        if pieces:
            found.append((number - 1, TokenEvent("".join(pieces))))
            pieces = []
        found.append((number, event))
    if pieces:
        found.append((len(events), TokenEvent("".join(pieces))))
    return found
