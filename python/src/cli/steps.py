"""One line per step, with its time: what a person sees while Archon is installed and started.

Only the standard library: the installer uses it before anything is installed.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

_WIDTH = 44
_BLINK_S = 0.5


class StepFailed(Exception):
    """A step failed for a known reason. `why` is one sentence, `tail` the last lines of what it wrote."""

    def __init__(self, why: str, *, next_step: str, tail: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.next_step = next_step
        self.tail = tail


@dataclass(slots=True)
class Step:
    """A running step; set `note` for what stands behind its name."""

    name: str
    note: str = ""
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    """On the monotonic clock, where it was done before its line is written."""

    @property
    def seconds(self) -> float:
        """How long it runs or ran."""
        return (self.ended or time.monotonic()) - self.started


class Steps:
    """Prints steps to `out`. In a terminal a running step shows a clock; elsewhere only whole lines are written."""

    def __init__(self, out: TextIO | None = None, *, quiet: bool = False) -> None:
        self._out = out or sys.stdout
        self._quiet = quiet
        self._lock = threading.Lock()
        self.live = self._out.isatty() and not quiet

    @contextmanager
    def step(self, name: str, *, announce: str = "") -> Iterator[Step]:
        """Run a step; its line says done, or failed with the reason. `announce` is said first where no clock runs.

        Raises:
            StepFailed: as the block raised it, after the line was printed.
        """
        step = Step(name)
        ended = threading.Event()
        clock = threading.Thread(target=self._clock, args=(step, ended), daemon=True)
        if self.live:
            clock.start()
        elif announce:
            self.line("·", name, announce)
        done = False
        try:
            yield step
            done = True
        finally:
            self._end(clock, ended)
            if not done:
                self.line("✗", name, f"failed after {_seconds(step.seconds)}")
        self.line("✓", name, "  ".join(part for part in (_seconds(step.seconds).rjust(8), step.note) if part))

    def line(self, mark: str, name: str, rest: str = "") -> None:
        """One line of its own."""
        if self._quiet:
            return
        with self._lock:
            self._write(f"  {mark} {name:<{_WIDTH}} {rest}".rstrip() + "\n")

    def text(self, text: str = "") -> None:
        """Plain text between the steps."""
        if not self._quiet:
            with self._lock:
                self._write(text + "\n")

    def _clock(self, step: Step, ended: threading.Event) -> None:
        while not ended.wait(_BLINK_S):
            with self._lock:
                self._write(f"\r  · {step.name:<{_WIDTH}} {_seconds(step.seconds).rjust(8)}  {step.note}\x1b[K")

    def _end(self, clock: threading.Thread, ended: threading.Event) -> None:
        ended.set()
        if clock.ident is not None:
            clock.join()
            with self._lock:
                self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        encoding = self._out.encoding or "utf-8"
        self._out.write(text.encode(encoding, "replace").decode(encoding))
        self._out.flush()


def run_steps(work: Callable[[], None], out: TextIO | None = None) -> int:
    """Run `work`; a failed step is explained on `out` and gives 1, an interrupt 130, success 0."""
    out = out or sys.stderr
    try:
        work()
    except StepFailed as failure:
        out.write(f"\n{failure.why}\n")
        if failure.tail:
            out.write("".join(f"    {line}\n" for line in failure.tail.splitlines()))
        out.write(f"What to do: {failure.next_step}\n")
        return 1
    except KeyboardInterrupt:
        out.write("\nStopped. Nothing half-done is left behind; run it again at any time.\n")
        return 130
    return 0


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
