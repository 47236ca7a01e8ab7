"""Starting the two servers, and knowing what they are doing."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from src.config import Environment

from ..ports import require_free
from ..processes import Processes, Program, Running, as_ranges, fingerprint_of
from ..steps import StepFailed
from .installation import LocalVllmInstallation, bare_environment
from .roles import ROLES, Role

START_WITHIN_S = 600.0
"""A slow disk or a busy machine: reading torch alone may take a minute."""
STOP_WITHIN_S = 35.0
"""vLLM finishes running requests for up to `--shutdown-timeout` seconds."""
STOP_LOADING_WITHIN_S = 3.0
_GLANCE_S = 10.0
"""How long a look at the state may take."""
_SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    # The model runs in the engine's own process (`--distributed-executor-backend uni` needs this to be 0). In a worker
    # of its own, vLLM's message queue keeps one core busy for a second after each request, which the other server
    # of a small machine lacks just then: the first token of a chat came 0.9 s later after a question was embedded.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}


@dataclass(frozen=True, slots=True)
class ServerState:
    """`state` is stopped, warming, ready or failed; `address` has no /v1."""

    role: Role
    state: str
    address: str
    pid: int | None
    memory_mb: int


class LocalVllmServers:
    """The local vLLM of one data folder; `ports` moves servers by role name."""

    def __init__(self, data_dir: Path, environment: Environment, ports: dict[str, int] | None = None) -> None:
        self._processes = Processes(data_dir)
        self._environment = environment
        self._ports = ports or {}
        self._cache = data_dir / "vllm/cache"
        self._installation = LocalVllmInstallation(environment.data_dir, environment)

    def address(self, role: Role) -> str:
        """Where `role` listens, without /v1."""
        return f"http://127.0.0.1:{self._port(role)}"

    def start(self, role: Role) -> bool:
        """Start it unless it runs; True when it was started now. Does not wait.

        Raises:
            StepFailed: its port belongs to another program.
        """
        program = self.program(role)
        running = self._processes.find(role.program)
        if running and running.leader and running.fingerprint == program.fingerprint:
            return False
        self._stop(role)
        require_free(program.port, host="127.0.0.1", variable=role.port_variable, what=role.what)
        self._mark(role).unlink(missing_ok=True)
        self._processes.start(program, cwd=self._processes.run_dir)
        return True

    def wait(self, role: Role) -> None:
        """Return once it has answered a real request.

        Raises:
            StepFailed: it ended, or took longer than START_WITHIN_S.
        """
        running = self._processes.find(role.program)
        if running is None:
            log = self._processes.log(role.program)
            tail = self._processes.tail(role.program)
            raise StepFailed(f"{role.what} does not run.", next_step=f"Read {log}; run `make up` again.", tail=tail)
        deadline = time.monotonic() + START_WITHIN_S
        self._processes.wait_for(
            running, lambda: self._is_healthy(role), within_s=START_WITHIN_S, what=f"{role.what} ({role.model})"
        )
        self._warm_up(role, running, deadline - time.monotonic())

    def wait_all(self, roles: Sequence[Role] = ROLES) -> None:
        """`wait` for each. They warm up beside each other anyhow, and without threads Ctrl-C ends the waiting."""
        for role in roles:
            self.wait(role)

    def stop_all(self) -> list[str]:
        """Stop what runs, both at once; returns their names."""
        with ThreadPoolExecutor(len(ROLES)) as threads:
            stopped = list(threads.map(self._stop, ROLES))
        return [role.what for role, ran in zip(ROLES, stopped, strict=True) if ran]

    def state(self, role: Role) -> ServerState:
        """What it is doing now."""
        running = self._processes.find(role.program)
        if running is None:
            died = self._processes.was_started(role.program)
            return ServerState(role, "failed" if died else "stopped", self.address(role), None, 0)
        address = f"http://127.0.0.1:{running.port}"
        if running.leader is None:
            return ServerState(role, "failed", address, None, running.memory_mb())
        warm = self._is_healthy(role) and self._try_warm_up(role, _GLANCE_S) == ""
        return ServerState(role, "ready" if warm else "warming", address, running.pid, running.memory_mb())

    def _stop(self, role: Role) -> bool:
        # While it still loads its model it answers nobody, and does not listen to signals either.
        patience_s = STOP_WITHIN_S if self._is_healthy(role) else STOP_LOADING_WITHIN_S
        return self._processes.stop(role.program, within_s=patience_s)

    def program(self, role: Role, host: str = "127.0.0.1") -> Program:
        """What is started for `role`: command, environment, port."""
        command = (
            *(("nice", "-n", str(role.niceness)) if role.niceness else ()),
            *(str(self._installation.python), "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", str(self._installation.model(role.model)), "--served-model-name", role.model),
            *("--host", host, "--port", str(self._port(role))),
            *("--enforce-eager", "--shutdown-timeout", "30", "--distributed-executor-backend", "uni", *role.flags),
        )
        settings = _SETTINGS | {
            # By default vLLM leaves one core free, which on a small machine is half of it.
            "VLLM_CPU_OMP_THREADS_BIND": as_ranges(_cores()),
            "OMP_NUM_THREADS": str(len(_cores())),
            # Threads that wait for each other soon give their core away: with two servers on few cores, those that
            # spin keep it from the very thread they wait for (two servers at once: 50 tokens a second, else 10).
            "GOMP_SPINCOUNT": "2000",
            "VLLM_CACHE_ROOT": str(self._cache),
        }
        return Program(
            name=role.program,
            command=command,
            environment=bare_environment(self._environment.values) | settings,
            port=self._port(role),
            stop_within_s=STOP_WITHIN_S,
            fingerprint=fingerprint_of(*command, *settings.values()),
        )

    def _port(self, role: Role) -> int:
        return self._ports.get(role.name) or role.port_in(self._environment)

    def _mark(self, role: Role) -> Path:
        return self._processes.run_dir / f"{role.program}.warm"

    def _is_healthy(self, role: Role) -> bool:
        try:
            return httpx.get(f"{self.address(role)}/health", timeout=2.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _warm_up(self, role: Role, running: Running, within_s: float) -> None:
        problem = self._try_warm_up(role, max(within_s, 10.0))
        if problem:
            raise StepFailed(
                f"{role.what} started, but its first request {problem}.",
                next_step=f"Read {self._processes.log(role.program)}; then run `make up` again.",
                tail=self._processes.tail(running.name),
            )

    def _try_warm_up(self, role: Role, within_s: float) -> str:
        """'' once it has answered a request; what went wrong otherwise."""
        if self._mark(role).exists():
            return ""
        try:
            answer = httpx.post(
                self.address(role) + role.warm_up_path, content=role.body(), timeout=within_s,
                headers={"Content-Type": "application/json"}, trust_env=False,
            )  # fmt: skip
        except httpx.HTTPError as error:
            return f"was not answered: {type(error).__name__}"
        if not answer.is_success:
            return f"was answered with {answer.status_code}: {answer.text[:300]}"
        self._mark(role).write_text("")
        return ""


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
