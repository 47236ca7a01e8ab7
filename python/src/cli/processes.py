"""Programs that go on running after the command: started once, found again, stopped whole."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from .ports import is_free
from .steps import StepFailed

_SAME_START_S = 3.0
"""The clock may be corrected while a program runs; two programs with one pid are further apart."""
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `stop_within_s` is how long it may take to end by itself once asked to."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    port: int
    stop_within_s: float
    fingerprint: str
    """Changes when a running copy should be replaced: its code, its settings."""


@dataclass(frozen=True, slots=True)
class Running:
    """A program that was started: `pid` leads its own process group; `created` is seconds since the epoch."""

    name: str
    pid: int
    created: float
    port: int
    fingerprint: str

    @property
    def leader(self) -> psutil.Process | None:
        """Its first process, None once that ended (another program may have its pid by now)."""
        try:
            process = psutil.Process(self.pid)
            alive = process.status() != psutil.STATUS_ZOMBIE
            return process if alive and self._is_same(process) else None
        except psutil.NoSuchProcess:
            return None

    def members(self) -> list[psutil.Process]:
        """Every living process of its group, also where the leader was killed."""
        if self.leader is None and psutil.pid_exists(self.pid) and not self._is_our_zombie():
            return []  # the number belongs to somebody else now
        return [process for process in psutil.process_iter() if self._leads(process)]

    def memory_mb(self) -> int:
        """Resident memory of the whole group in MB."""
        total = 0
        for process in self.members():
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue  # it ended while we counted
        return total // 1_000_000

    def _is_our_zombie(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            return process.status() == psutil.STATUS_ZOMBIE and self._is_same(process)
        except psutil.NoSuchProcess:
            return True

    def _is_same(self, process: psutil.Process) -> bool:
        return abs(process.create_time() - self.created) < _SAME_START_S

    def _leads(self, process: psutil.Process) -> bool:
        try:
            return os.getpgid(process.pid) == self.pid and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, ProcessLookupError):
            return False


class Processes:
    """The programs of one data folder: pid files in `run`, logs in `logs`."""

    def __init__(self, data_dir: Path) -> None:
        self.run_dir = data_dir / "run"
        self.log_dir = data_dir / "logs"

    def log(self, name: str) -> Path:
        """Where program `name` writes."""
        return self.log_dir / f"{name}.log"

    def find(self, name: str) -> Running | None:
        """The program as it was started, also where its leader has died; None where it was not, or is wholly gone."""
        try:
            running = Running(**json.loads(self._file(name).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return running if running.leader or running.members() else None

    def was_started(self, name: str) -> bool:
        """Whether it was started and not stopped since: without `find` finding it, it died."""
        return self._file(name).exists()

    def start(self, program: Program, *, cwd: Path) -> Running:
        """Start it in a session of its own, so that Ctrl-C here does not reach it."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = self.log(program.name)
        if log.exists():
            log.replace(log.with_suffix(".1.log"))
        with log.open("wb") as out:
            child = subprocess.Popen(  # noqa: S603 - our own programs
                program.command, env=dict(program.environment), cwd=cwd, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        running = Running(
            program.name, child.pid, psutil.Process(child.pid).create_time(), program.port, program.fingerprint
        )
        fresh = self._file(program.name).with_suffix(".new")
        fresh.write_text(json.dumps(asdict(running)))
        fresh.replace(self._file(program.name))
        return running

    def stop(self, name: str, *, within_s: float) -> bool:
        """Stop it and everything it started; True when it ran. Asks first, kills what is left after `within_s`."""
        running = self.find(name)
        if running is None:
            self._file(name).unlink(missing_ok=True)
            return False
        if (leader := running.leader) is not None:
            _signal(leader, signal.SIGTERM)
            wait_until(lambda: running.leader is None, within_s)
        for process in running.members():
            _signal(process, signal.SIGKILL)
        # A killed process holds its sockets until the last of its threads is gone.
        wait_until(lambda: not running.members() and is_free(running.port), 10.0)
        self._file(name).unlink(missing_ok=True)
        return True

    def tail(self, name: str, lines: int = 12) -> str:
        """The last lines of its log."""
        try:
            return "\n".join(self.log(name).read_text(errors="replace")[-8000:].splitlines()[-lines:])
        except OSError:
            return ""

    def wait_for(self, running: Running, ready: Callable[[], bool], *, within_s: float, what: str) -> None:
        """Wait until `ready`.

        Raises:
            StepFailed: the program ended, or was not ready in time; carries the end of its log.
        """
        wait_until(lambda: running.leader is None or ready(), within_s)
        if running.leader is not None and ready():
            return
        ended = running.leader is None
        why = "ended by itself" if ended else f"was not ready within {within_s:.0f} s"
        next_step = f"Read {self.log(running.name)}; then run `make up` again."
        raise StepFailed(f"{what} {why}.", next_step=next_step, tail=self.tail(running.name))

    def _file(self, name: str) -> Path:
        return self.run_dir / f"{name}.json"


def wait_until(condition: Callable[[], bool], within_s: float) -> bool:
    """Whether `condition` came true within `within_s` seconds; asked ten times a second."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def fingerprint_of(*values: str, code: Path | None = None) -> str:
    """A digest that changes when one of `values` or a Python file below `code` changes."""
    digest = hashlib.sha256()
    for path in sorted(code.rglob("*.py")) if code else ():
        status = path.stat()
        digest.update(f"{path}:{status.st_mtime_ns}:{status.st_size}\n".encode())
    digest.update("\0".join(values).encode())
    return digest.hexdigest()[:16]


def as_ranges(numbers: Sequence[int]) -> str:
    """[0, 1, 2, 5] as '0-2,5'."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return  # it ended by itself, which is what was wanted
