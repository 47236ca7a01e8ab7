"""One `archon up` or `archon down` at a time for a data folder."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from .steps import StepFailed


@contextmanager
def only_one(run_dir: Path, *, interrupt: bool = False) -> Iterator[None]:
    """Hold the folder. Where another command holds it, wait for it; with `interrupt`, ask that one to end first.

    Raises:
        StepFailed: the folder cannot be written.
    """
    handle = _open(run_dir)
    try:
        if interrupt and not _try(handle):
            _ask_to_end(handle)
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def is_held(run_dir: Path) -> bool:
    """Whether an `archon up` or `archon down` is at work now."""
    try:
        handle = os.open(run_dir / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try(handle)
    finally:
        os.close(handle)


def _open(run_dir: Path) -> int:
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        return os.open(run_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StepFailed(
            f"The data folder {run_dir.parent} cannot be written: {error.strerror}.",
            next_step="Correct its owner, or choose another one with ARCHON_DATA_DIR.",
        ) from error


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ask_to_end(handle: int) -> None:
    text = os.pread(handle, 20, 0).decode(errors="replace").strip()
    try:
        holder = psutil.Process(int(text))
        if any("src.cli" in part for part in holder.cmdline()):
            holder.send_signal(signal.SIGTERM)
    except (ValueError, psutil.Error):
        return  # it has just ended, or never said who it is: the lock is waited for in any case
