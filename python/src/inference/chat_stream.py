"""Reads one chat stream: deadlines on data events, exactly one end, and the connection closed at once.

HTTP 200 proves nothing on a stream: a full queue and a dead engine arrive inside it, and both end with `[DONE]`. Only
a `finish_reason` makes an answer whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import httpx2

from src.errors import (
    ArchonError,
    ConnectionBroken,
    ErrorContext,
    FirstByteTimeout,
    ProtocolError,
    ProviderError,
    ProviderTimeout,
    StallTimeout,
    StreamCut,
)

from .client import Deadlines
from .event_data import EventData
from .failures import error_from_event
from .models import Outcome, StreamEnd, TextDelta, Usage
from .network import PIECES, Pieces
from .patience import Patience
from .sdk_errors import classify_sdk_error, filled, sdk_failures

Choice: TypeAlias = dict[str, object]
_MISSHAPEN = (TypeError, AttributeError)
"""What reading an event raises that is not what it should be."""
_END = b"[DONE]"
_DRAIN_S = 0.1
"""How long the end of the body is waited for after the last event: a connection read to its end can be used again."""


class StreamReader:
    """One stream from its request to its end."""

    def __init__(self, deadlines: Deadlines, context: ErrorContext, secrets: tuple[str, ...]) -> None:
        self._deadlines = deadlines
        self._context = context
        self._secrets = secrets
        self._response: httpx2.Response | None = None
        self._next_part: Callable[[], Awaitable[bytes]] | None = None
        self._parser = EventData()
        self._patience = Patience()
        self._events: deque[bytes] = deque()
        self._first: Choice | None = None
        self._started = time.monotonic()
        self._first_s: float | None = None
        self._finish_reason: str | None = None
        self._tokens: tuple[int | None, int | None] = (None, None)

    async def open(self, create: Callable[[], Awaitable[httpx2.Response]]) -> None:
        """Send the request and wait for the first data event.

        Raises:
            ProviderError: refused, broken, silent, or the first event is an error. Nothing was delivered yet.
        """
        try:
            async with asyncio.timeout(self._deadlines.first_event_s):
                self._response = await create()
                self._next_part = _parts_of(self._response)
                self._first = await self._next_chunk()
            if self._first is None:
                raise StreamCut("The stream ended before its first token", context=self._context)
        except TimeoutError as late:
            silence = f"The server took the request but sent no token within {self._deadlines.first_event_s:g} s"
            raise FirstByteTimeout(silence, context=self._context) from late
        except ArchonError as error:
            raise filled(error, self._context) from error.__cause__
        except sdk_failures(*_MISSHAPEN) as error:
            raise self._typed(error) from error
        finally:
            if self._first is None:
                await self.close()

    async def items(self) -> AsyncIterator[TextDelta | StreamEnd]:
        """The deltas, then the end. Never raises for the server."""
        chunk = self._first
        while chunk is not None:
            for delta in self._deltas(chunk):
                yield delta
            try:
                chunk = await self._before_deadline()
            except ArchonError as error:
                yield self._end(error)
                return
        cut = StreamCut("The stream ended without a finish_reason, so the answer is not whole", context=self._context)
        yield self._end(cut)

    async def close(self) -> None:
        """Close the connection; the server stops working on the answer."""
        self._patience.close()
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()

    async def _before_deadline(self) -> Choice | None:
        left_s = self._deadlines.total_s - (time.monotonic() - self._started)
        gap_s = self._deadlines.gap_s
        try:
            with self._patience.within(min(gap_s, max(left_s, 0.0))):
                return await self._next_chunk()
        except TimeoutError as late:
            if left_s <= gap_s:
                total = f"The whole answer took longer than {self._deadlines.total_s:g} s"
                raise ProviderTimeout(total, context=self._context) from late
            raise StallTimeout(f"The stream fell silent for {gap_s:g} s", context=self._context) from late
        except ArchonError:
            raise
        except sdk_failures(*_MISSHAPEN) as error:
            raise self._typed(error) from error

    async def _next_chunk(self) -> Choice | None:
        """The next choice; usage is noted on the way. None at the end of the stream.

        Raises TypeError, ValueError, ArchonError: an event is not what it should be, or is an error.
        """
        while True:
            while self._events:
                event = self._events.popleft()
                if event.startswith(_END):
                    await self._drain()
                    return None
                choice = self._choice(json.loads(event))
                if choice is not None:
                    return choice
            part = await self._next_part() if self._next_part is not None else b""
            if not part:
                return None
            self._events.extend(self._parser.feed(part))

    def _choice(self, chunk: object) -> Choice | None:
        if not isinstance(chunk, dict):
            raise TypeError("an event is no object")
        if chunk.get("error"):
            raise error_from_event(chunk["error"], self._context, secrets=self._secrets)
        self._note_usage(chunk.get("usage"))
        choices = chunk.get("choices")
        if not choices:
            return None
        if not isinstance(choices, list) or not isinstance(choices[0], dict):
            raise TypeError("a choice is no object")
        return choices[0]

    async def _drain(self) -> None:
        next_part, self._next_part = self._next_part, None
        with contextlib.suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout(_DRAIN_S):
                while next_part is not None and await next_part():
                    pass

    def _deltas(self, choice: Choice) -> list[TextDelta]:
        reason, delta = choice.get("finish_reason"), choice.get("delta")
        if isinstance(reason, str) and reason:
            self._finish_reason = reason
        if not isinstance(delta, dict):
            return []
        # vLLM calls it `reasoning`, DeepSeek and older servers `reasoning_content`.
        thought = delta.get("reasoning") or delta.get("reasoning_content")
        found = [TextDelta(thought, reasoning=True)] if isinstance(thought, str) and thought else []
        content = delta.get("content")
        if isinstance(content, str) and content:
            found.append(TextDelta(content))
        if found and self._first_s is None:
            self._first_s = time.monotonic() - self._started
        return found

    def _note_usage(self, usage: object) -> None:
        if isinstance(usage, dict):
            prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
            self._tokens = (
                prompt if isinstance(prompt, int) else None,
                completion if isinstance(completion, int) else None,
            )

    def _end(self, error: ArchonError) -> StreamEnd:
        prompt, completion = self._tokens
        usage = Usage(prompt, completion, self._first_s, time.monotonic() - self._started)
        if self._finish_reason is not None:
            # Whole: what failed afterwards was only the usage or the closing of the connection.
            return StreamEnd(Outcome.COMPLETE, self._finish_reason, usage)
        error.with_context(elapsed_s=usage.total_s)
        return StreamEnd(_outcome(error), None, usage, error)

    def _typed(self, error: Exception) -> ArchonError:
        if isinstance(error, (TypeError, AttributeError, ValueError)):
            return ProtocolError("The stream holds an event that cannot be read", context=self._context)
        return classify_sdk_error(error, self._context, secrets=self._secrets)


def _parts_of(response: httpx2.Response) -> Callable[[], Awaitable[bytes]]:
    """Gives the next part of the body; b'' at the end."""
    pieces, headers = response.extensions.get(PIECES), response.headers
    is_plain = "content-encoding" not in headers and headers.get("content-type", "").startswith("text/event-stream")
    if isinstance(pieces, Pieces) and is_plain:
        return pieces.next
    parts = response.aiter_bytes()
    return lambda: anext(parts, b"")


def _outcome(error: ArchonError) -> Outcome:
    if isinstance(error, ProviderTimeout):
        return Outcome.STALLED
    if isinstance(error, (StreamCut, ConnectionBroken)):
        return Outcome.TRUNCATED
    return Outcome.UPSTREAM_ERROR if isinstance(error, ProviderError) else Outcome.TRUNCATED
