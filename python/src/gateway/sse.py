"""Watches a stream of server-sent events go by: is it whole, did it carry an error, what did it count.

The bytes are not changed. They leave in whole events only, so that whatever happens next (an error event of ours, a
continuation from another server) starts on a line of its own; nearly all events are seen without being parsed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_GOES_ON = b'"finish_reason":null'
"""Events that all have this are neither the end nor an error; quotes inside a text would be escaped."""
_LONGEST_EVENT = 8 * 1024 * 1024
"""An event longer than this is passed on in pieces instead of being held."""


@dataclass(slots=True)
class Counted:
    """Tokens as the server counted them in its last usage; None when it did not."""

    prompt: int | None = None
    completion: int | None = None


class StreamWatch:
    """One stream. `choices`: how many answers it carries, each of which needs a finish_reason."""

    def __init__(self, choices: int = 1) -> None:
        self.choices = choices
        self.events = 0
        self.bad_lines = 0
        self.error: bytes | None = None
        self.ending = b""
        self.reasons: dict[int, str] = {}
        self.counted = Counted()
        self._tail = b""

    @property
    def complete(self) -> bool:
        """Whether every answer in it has its finish_reason and none failed."""
        return self.error is None and len(self.reasons) >= self.choices

    @property
    def over(self) -> bool:
        """Whether the server said that nothing follows: `[DONE]`, or an error."""
        return bool(self.ending) or self.error is not None

    def feed(self, data: bytes) -> bytes:
        """Take what came and return the whole events in it, up to the stream's ending, which is kept in `ending`."""
        if self.over:
            return b""
        if self._tail:
            data = self._tail + data
        cut = _last_end(data)
        if cut < 0:
            return self._hold(data)
        self._tail = data[cut:]
        whole = data if cut == len(data) else data[:cut]
        if self.choices > 1 or not whole.startswith(b"data:") or b"\r" in whole:
            return self._look_closely(whole)
        goes_on = whole.rfind(_GOES_ON)
        edge = whole.find(b"\n\n", goes_on) + 2 if goes_on >= 0 else 0
        before = whole[:edge]
        if not edge or before.count(b"\ndata:") + 1 != before.count(_GOES_ON):
            return self._look_closely(whole)
        self.events += before.count(_GOES_ON)
        return before + self._look_closely(whole[edge:]) if edge < len(whole) else before

    def close(self) -> bytes:
        """The server closed the stream: what is left, for a last event without its empty line."""
        rest, self._tail = self._tail, b""
        if not rest.strip() or self.over:
            return b""
        seen = self.events
        delivered = self._look_closely(rest)
        return delivered if self.events > seen and (self.complete or not self.over) and _is_json_event(rest) else b""

    def count_unread(self, data: bytes) -> int:
        """How many data events are in `data`, which nobody will read."""
        return data.count(b"\ndata:") + data.startswith(b"data:")

    def _hold(self, data: bytes) -> bytes:
        if len(data) > _LONGEST_EVENT:
            self._tail = b""
            return data
        self._tail = data
        return b""

    def _look_closely(self, whole: bytes) -> bytes:
        start = 0
        while start < len(whole):
            match = _EVENT_END.search(whole, start)
            end = match.end() if match else len(whole)
            payload = self._payload_of(whole[start:end])
            if payload == b"[DONE]":
                self.ending = whole[start:]
                return whole[:start]
            if payload is not None:
                self.events += 1
                self._note(payload)
            if self.error is not None:
                return whole[:start]
            start = end
        return whole

    def _payload_of(self, event: bytes) -> bytes | None:
        payload: list[bytes] = []
        for line in _LINE_END.split(event):
            if line.startswith(b"data:"):
                payload.append(line[5:].strip())
            elif line and not line.startswith((b":", b"event:", b"id:", b"retry:")):
                self.bad_lines += 1
        return b"\n".join(payload) if payload else None

    def _note(self, payload: bytes) -> None:
        try:
            found = json.loads(payload)
        except ValueError:
            self.bad_lines += 1
            return
        if not isinstance(found, dict):
            return
        if found.get("error") or found.get("object") == "error":
            self.error = payload
            return
        usage = found.get("usage")
        if isinstance(usage, dict):
            self.counted = Counted(
                _whole_number(usage.get("prompt_tokens")), _whole_number(usage.get("completion_tokens"))
            )
        choices = found.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("finish_reason"):
                self.reasons[_whole_number(choice.get("index")) or 0] = str(choice["finish_reason"])


def _last_end(data: bytes) -> int:
    """Where the last whole event in `data` ends; -1 when none does."""
    if data.endswith(b"\n\n"):
        return len(data)
    ends = [data.rfind(mark) + len(mark) for mark in (b"\n\n", b"\r\n\r\n", b"\r\r") if mark in data]
    return max(ends) if ends else -1


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _is_json_event(event: bytes) -> bool:
    line = event.strip().removeprefix(b"data:").strip()
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
