"""Notices a model that says the same thing over and over: small models do, until their tokens are spent."""

from __future__ import annotations

from src.errors import ProtocolError
from src.inference.models import Outcome, StreamEnd

_WINDOW = 1500
"""Characters that must be nothing but repetition before an answer is called a loop."""
_TIMES = 6
_EVERY = 300


class Looped(ProtocolError):
    """The model says the same thing over and over."""

    code = "model_loops"
    meaning = "The model repeated itself, so the answer was stopped."
    default_next_step = "Ask again with a higher temperature, or with a larger model."

    def __init__(self) -> None:
        super().__init__("The model repeats itself, so the answer was stopped here.")


def looped_end(looped: Looped | None = None) -> StreamEnd:
    """How an answer ends that was stopped because it only repeated itself."""
    return StreamEnd(Outcome.TRUNCATED, "loop", error=looped or Looped())


class LoopWatch:
    """Takes an answer piece by piece."""

    def __init__(self) -> None:
        self._tail = ""
        self._since = 0

    def loops(self, piece: str) -> bool:
        """Whether the answer, with `piece` at its end, only repeats itself."""
        self._tail = (self._tail + piece)[-_WINDOW:]
        self._since += len(piece)
        if self._since < _EVERY or len(self._tail) < _WINDOW:
            return False
        self._since = 0
        return period(self._tail, _WINDOW // _TIMES) is not None


def period(text: str, longest: int) -> int | None:
    """The length of what `text` repeats from end to end, `longest` characters at most; None where it does not."""
    return next((length for length in range(1, longest + 1) if text[length:] == text[:-length]), None)
