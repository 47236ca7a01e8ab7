"""Who listens where."""

from __future__ import annotations

import socket

import psutil

from .steps import StepFailed


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on `port` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError:
            return False
    return True


def require_free(port: int, *, host: str, variable: str, what: str) -> None:
    """Raises StepFailed that names who has `port`; `variable` is where another one can be set."""
    if is_free(port, host):
        return
    raise StepFailed(
        f"{what} needs port {port}, which {holder(port)} has.",
        next_step=f"Stop that program, or choose another port with {variable}, for example in .env.",
    )


def holder(port: int) -> str:
    """The program that listens on `port`, in words."""
    try:
        pids = [
            found.pid
            for found in psutil.net_connections(kind="tcp")
            if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr[1] == port and found.pid
        ]
        if pids:
            process = psutil.Process(pids[0])
            return f"'{' '.join(process.cmdline())[:80] or process.name()}' (process {pids[0]}, {process.username()})"
    except psutil.Error:
        return "another program"
    return "another user's program"
