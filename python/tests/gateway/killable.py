"""A real vLLM of the product's own launcher that a test may kill and bring back."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

import psutil

from src.cli.local_vllm.roles import CHAT
from src.cli.local_vllm.servers import LocalVllmServers
from src.cli.ports import free_port
from src.config import load_environment


class KillableVllm:
    """One chat server at a port of its own. `url` has no /v1."""

    model = CHAT.model

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="archon-killable-"))
        self._servers = LocalVllmServers(self._folder, load_environment(), {CHAT.name: free_port()})
        self.url = self._servers.address(CHAT)

    def start(self) -> None:
        """Begin to start; does not wait."""
        self._servers.start(CHAT)

    async def ready(self) -> None:
        """Return once it has answered a real request."""
        await asyncio.to_thread(self._servers.wait, CHAT)

    def kill(self) -> None:
        """`kill -9` of all its processes."""
        for process in self._processes():
            process.send_signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the engine in its tracks; the port and /health still answer."""
        self._signal_engine(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the engine go on."""
        self._signal_engine(signal.SIGCONT)

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.thaw()
        self.kill()
        self._servers.stop_all()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal_engine(self, number: signal.Signals) -> None:
        leader = self._servers.state(CHAT).pid if number == signal.SIGSTOP else None
        for process in self._processes():
            if process.pid != leader and process.pid != os.getpid() and "VLLM" in process.name():
                process.send_signal(number)

    def _processes(self) -> list[psutil.Process]:
        running = self._servers._processes.find(CHAT.program)
        return running.members() if running is not None else []
