"""Programs that are started beside each other: first all are launched, then each is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from src.config import REPOSITORY

from .ports import require_free
from .processes import Processes, Program, Running
from .steps import Step


@dataclass(slots=True)
class Launched:
    """A program that was launched, or ran already: `running` is None where there is nothing to wait for."""

    answers: Callable[[], bool] = field(repr=False)
    note: str
    running: Running | None = None
    began: float = field(default_factory=time.monotonic)
    ready: float | None = None
    """When it was first seen to answer, on the monotonic clock."""

    def look(self) -> bool:
        """Whether it has answered by now."""
        if self.ready is None and self.answers():
            self.ready = time.monotonic()
        return self.ready is not None

    def tell(self, step: Step) -> None:
        """Let `step` say where it answers, and how long it took by itself."""
        step.note, step.started, step.ended = self.note, self.began, self.ready


def launch(
    processes: Processes,
    program: Program,
    *,
    answers: Callable[[], bool],
    address: str,
    host: str,
    variable: str,
    what: str,
) -> Launched:
    """Start `program` unless it runs as wanted, without waiting; `variable` is where its port can be changed.

    Raises:
        StepFailed: another program has its port.
    """
    began = time.monotonic()
    before = processes.find(program.name)
    if before and before.leader and before.fingerprint == program.fingerprint and answers():
        return Launched(answers, f"runs already at {address}", began=began, ready=time.monotonic())
    processes.stop(program.name, within_s=program.stop_within_s)
    require_free(program.port, host=host, variable=variable, what=what)
    running = processes.start(program, cwd=REPOSITORY / "python")
    note = address + ("  restarted: its code or settings changed" if before else "")
    return Launched(answers, note, running, began)
