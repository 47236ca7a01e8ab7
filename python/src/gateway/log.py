"""The access log: one JSON line a request, without keys and without what was asked or answered."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from pydantic_core import to_json

_FLUSH_LINES = 200


class AccessLog:
    """Collects lines and writes them together, because one write each would cost the most of all."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or sys.stdout.write
        self._flush = sys.stdout.flush if write is None else None
        self._lines: list[str] = []

    def add(self, fields: dict[str, object]) -> None:
        """Log one request; empty fields are left out."""
        filled = {name: value for name, value in fields.items() if value is not None and value != ""}
        self._lines.append(to_json(filled).decode())
        if len(self._lines) >= _FLUSH_LINES:
            self.flush()

    def flush(self, now: float = 0.0) -> None:
        """Write what has been collected."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        self._write("\n".join(lines) + "\n")
        if self._flush is not None:
            self._flush()


class Clock:
    """The time of day as text; the part that changes once a second is made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def now(self) -> str:
        """Now, in UTC, to the millisecond."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{int((now - second) * 1000):03d}Z"
