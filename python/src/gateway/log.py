"""The access log: one JSON line a request, without keys and without what was asked or answered."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime

_FLUSH_LINES = 200


class AccessLog:
    """Collects lines and writes them together, because one write each would cost the most of all."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or sys.stdout.write
        self._flush = sys.stdout.flush if write is None else None
        self._lines: list[str] = []

    def add(self, fields: dict[str, object]) -> None:
        """Log one request; empty fields are left out."""
        self._lines.append(json.dumps({name: value for name, value in fields.items() if value not in (None, "")}))
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


def timestamp() -> str:
    """Now, in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
