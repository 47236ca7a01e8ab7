"""What the model says over several responses: one answer, whose markers all name passages that it was shown."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from src.agents.loops import Looped, LoopWatch
from src.agents.markers import Marker, MarkerFilter

from .leaks import LeakGuard

_BETWEEN = "\n\n"


class Said:
    """The answer while it comes into being. A response begins with `begin` and ends with `end`."""

    def __init__(self) -> None:
        self._text = ""
        self._markers: list[Marker] = []
        self._filter: MarkerFilter | None = None
        self._guard = LeakGuard()
        self._watch = LoopWatch()

    @property
    def text(self) -> str:
        """All that was shown."""
        return self._text + (self._filter.text if self._filter else "")

    @property
    def markers(self) -> list[Marker]:
        """The markers in `text`."""
        return self._markers + (self._shifted(self._filter) if self._filter else [])

    def begin(self, known: Collection[int]) -> None:
        """A response begins; its markers may name the passages `known`."""
        self._keep()
        self._filter, self._guard, self._watch = MarkerFilter(known), LeakGuard(), LoopWatch()

    def feed(self, piece: str) -> str:
        """The text that may be shown now. Raises Looped where the response only repeats itself."""
        if self._watch.loops(piece):
            raise Looped
        return self._show(self._guard.feed(piece))

    def end(self, *, cut: bool) -> str:
        """The rest of the response; `cut`: max_tokens ended it."""
        shown = self._show(self._guard.close(cut=cut))
        return shown + (self._filter.close() if self._filter else "")

    @property
    def leaked(self) -> bool:
        """Whether the response held a tool call as text."""
        return self._guard.leaked

    def _show(self, piece: str) -> str:
        if not piece or self._filter is None:
            return ""
        if self._text and not self._text.endswith(_BETWEEN) and not self._filter.text:
            # Before the first words of a later response; said with them, so that an empty one leaves no gap.
            self._text += _BETWEEN
            return _BETWEEN + self._filter.feed(piece)
        return self._filter.feed(piece)

    def _keep(self) -> None:
        if self._filter is not None:
            self._markers += self._shifted(self._filter)
            self._text += self._filter.text
            self._filter = None

    def _shifted(self, done: MarkerFilter) -> list[Marker]:
        by = len(self._text)
        return [replace(marker, start=marker.start + by, end=marker.end + by) for marker in done.markers]
