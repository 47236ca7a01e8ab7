"""Archon's programs on this machine: Postgres, the server, the gateway, the local vLLM. Up, down, what they do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from src.config import REPOSITORY, Environment, reachable
from src.config.access import is_loopback
from src.config.places import is_open_to_others
from src.errors import ArchonError, redact_url
from src.store.embedded import EmbeddedPostgres
from src.store.place import place_of

from .gateway_program import GATEWAY, GatewayProgram, settings_in_force
from .launched import Launched, launch
from .local_vllm.installation import LocalVllmInstallation, unsupported_reason
from .local_vllm.roles import CHAT, ROLES
from .local_vllm.servers import LocalVllmServers
from .mcp_program import MCP, McpProgram
from .processes import Processes, Program, fingerprint_of
from .steps import StepFailed, Steps

SERVER = "server"
SERVER_WITHIN_S = 60.0
SERVER_STOP_WITHIN_S = 20.0
_SETTINGS_THAT_RESTART = (
    *("ARCHON_", "VLLM", "DATABASE_URL", "SUPABASE_", "LOG_LEVEL"),
    *("GATEWAY", "ENABLE_FALLBACK", "FALLBACK_", "HEALTH_CHECK_"),
)


@dataclass(frozen=True, slots=True)
class Stack:
    """All of it, as `environment` wants it."""

    environment: Environment
    steps: Steps

    @property
    def processes(self) -> Processes:
        """Pid files and logs."""
        return Processes(self.environment.data_dir)

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The embedded cluster; not used where DATABASE_URL or SUPABASE_URL is set."""
        return EmbeddedPostgres(self.environment.data_dir / "postgres")

    @property
    def models(self) -> LocalVllmServers:
        """The two local vLLM servers."""
        return LocalVllmServers(self.environment.data_dir, self.environment)

    @property
    def installation(self) -> LocalVllmInstallation:
        """Their environment and models on disk."""
        return LocalVllmInstallation(self.environment.data_dir, self.environment)

    @property
    def gateway(self) -> GatewayProgram:
        """The gateway beside the server."""
        return GatewayProgram(self.environment, self.processes, self._local_addresses())

    @property
    def mcp(self) -> McpProgram:
        """The MCP server beside the server."""
        return McpProgram(self.environment, self.processes)

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the server."""
        return f"http://{reachable(self.environment.host)}:{self.environment.server_port}"

    def start_database(self) -> None:
        """Start Postgres where it is ours, and bring its schema up to date.

        Raises:
            StepFailed: it did not start, cannot be reached, or a migration failed.
        """
        with self.steps.step("Postgres", announce="starting") as step, as_step_failure():
            self._require_open_folder()
            place = place_of(self.environment)
            started = place.started()
            step.note = place.shown
        with self.steps.step("Database schema") as step, as_step_failure():
            applied = asyncio.run(started.bring_up_to_date())
            step.note = f"{len(applied)} migrations applied" if applied else "up to date"

    def start_server(self) -> tuple[bool, Launched | StepFailed]:
        """Start the server unless it runs as wanted, and the MCP server beside it, which is not waited for.

        True when the server was started now; and for `wait_for_mcp` the MCP server, or why it could not be launched.

        Raises:
            StepFailed: the port is taken (then nothing was launched), or the server did not become ready.
        """
        with self.steps.step("Server", announce="starting, and MCP beside it") as step:
            server, mcp = self._launch_server(), self._launch_mcp()

            def ready() -> bool:
                if isinstance(mcp, Launched):
                    mcp.look()  # its own time is taken while the server is waited for
                return server.look()

            if server.running:
                self.processes.wait_for(server.running, ready, within_s=SERVER_WITHIN_S, what="The server")
            server.tell(step)
        return server.running is not None, mcp

    def start_gateway(self) -> bool:
        """Start the gateway where model servers are known; True when it was started now.

        Raises:
            StepFailed: its port is taken, its settings cannot be used, or it did not answer. The rest works without.
        """
        values = {**self.environment.values}
        if self.environment.gateway:
            with as_step_failure():
                values = settings_in_force(self.environment)
        values = {**self._local_addresses(), **{name: value for name, value in values.items() if value.strip()}}
        reason = self.gateway.why_not(values)
        if reason is not None:
            self.gateway.stop()
            self.steps.line("-", "Gateway", reason)
            return False
        with self.steps.step("Gateway", announce="starting") as step:
            return self.gateway.start(step, values)

    def wait_for_mcp(self, launched: Launched | StepFailed) -> bool:
        """Return once the MCP server that `start_server` launched answers; True when it was started now.

        Raises:
            StepFailed: its port is taken, or it did not answer. The rest works without.
        """
        with self.steps.step("MCP") as step:
            if isinstance(launched, StepFailed):
                raise launched
            return self.mcp.wait(launched, step)

    def start_models(self) -> bool:
        """Install the local vLLM where needed and start it without waiting; True when something was started.

        Raises:
            StepFailed: it could not be installed, or a port is taken.
        """
        if not self.installation.is_installed:
            with self.steps.step("Local vLLM: installing", announce="about two minutes, once") as step:
                self.installation.install(step)
        if not self.installation.has_models:
            with self.steps.step("Local vLLM: models", announce="unpacking, once"):
                self.installation.prepare_models()
        started = [self.models.start(role) for role in ROLES]
        return any(started)

    def wait_for_models(self) -> None:
        """Return once both have answered a request. Raises StepFailed."""
        with self.steps.step("Local vLLM: warming up", announce="about a minute") as step:
            self.models.wait_all()
            step.note = ", ".join(f"{role.model} at {self.models.address(role)}" for role in ROLES)

    def stop(self) -> list[str]:
        """Stop all of it; returns the names of what ran.

        Raises:
            StepFailed: Postgres did not stop.
        """
        stopped = ["server"] if self.processes.stop(SERVER, within_s=SERVER_STOP_WITHIN_S) else []
        stopped += ["MCP"] if self.mcp.stop() else []
        stopped += ["gateway"] if self.gateway.stop() else []
        stopped += self.models.stop_all()
        with as_step_failure():
            if self.postgres.stop():
                stopped.append("Postgres")
        return stopped

    def stop_new(self, ran_before: frozenset[str]) -> None:
        """Stop the programs that run now and did not before; Postgres too where nothing ran.

        Raises:
            StepFailed: Postgres did not stop.
        """
        if not ran_before:
            self.stop()
        for name in self.running() - ran_before:
            self.processes.stop(name, within_s=SERVER_STOP_WITHIN_S)

    def running(self) -> frozenset[str]:
        """Names of the programs that run now."""
        names = (SERVER, MCP, GATEWAY, *(role.program for role in ROLES))
        return frozenset(name for name in names if self.processes.find(name))

    def dead_programs(self) -> set[str]:
        """Names of the programs that were started, not stopped, and do not run any more."""
        names = (SERVER, MCP, GATEWAY, *(role.program for role in ROLES))
        found = {name: self.processes.find(name) for name in names if self.processes.was_started(name)}
        return {name for name, running in found.items() if running is None or running.leader is None}

    def has_model_server(self) -> bool:
        """Whether the environment names a model server."""
        return self.environment.get(CHAT.address_variable) is not None

    def is_healthy(self) -> bool:
        """Whether the server answers requests."""
        try:
            return httpx.get(f"{self.address}/health", timeout=2.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def remember_models(self, why_not: str | None) -> None:
        """Keep for `archon status` why the last `up` started no local vLLM."""
        if why_not is None:
            self._why_not_file.unlink(missing_ok=True)
        else:
            self._why_not_file.write_text(why_not)

    def why_models_are_off(self) -> str | None:
        """Why none is expected to run: because of the environment, or because the last `up` left it out."""
        reason = self.why_no_local_models()
        if reason is None and self._why_not_file.exists():
            return self._why_not_file.read_text()
        return reason

    @property
    def _why_not_file(self) -> Path:
        return self.processes.run_dir / "no-local-vllm.txt"

    def why_no_local_models(self) -> str | None:
        """Why `up` starts no local vLLM here; None where it does."""
        if not self.environment.local_vllm:
            return "switched off by VLLM=off"
        named = self.environment.get(CHAT.address_variable)
        if named:
            return f"not needed: {CHAT.address_variable} is {redact_url(named)}"
        return unsupported_reason()

    def _require_open_folder(self) -> None:
        folder = self.environment.data_dir
        if place_of(self.environment).embedded is None or os.geteuid() or is_open_to_others(folder):
            return
        raise StepFailed(
            f"Postgres never runs as root, and other users cannot enter {folder}.",
            next_step="Name one they can enter in ARCHON_DATA_DIR (for example /var/lib/archon), or leave it blank.",
        )

    def _launch_server(self) -> Launched:
        return launch(
            self.processes,
            self._server_program(),
            answers=self.is_healthy,
            address=self.address,
            host=self.environment.host,
            variable="ARCHON_SERVER_PORT",
            what="Archon's server",
        )

    def _launch_mcp(self) -> Launched | StepFailed:
        if self.environment.mcp_port == self.environment.server_port:  # free as long as the server is still loading
            return StepFailed(
                f"Archon's MCP server needs port {self.environment.mcp_port}, which Archon's server has.",
                next_step="Choose another port with ARCHON_MCP_PORT, for example in .env.",
            )
        try:
            return self.mcp.launch()
        except StepFailed as problem:
            return problem

    def _server_program(self) -> Program:
        values = self._server_values()
        named = sorted(f"{name}={value}" for name, value in values.items() if name.startswith(_SETTINGS_THAT_RESTART))
        return Program(
            name=SERVER,
            command=(sys.executable, "-m", "src.server.main"),
            environment=values,
            port=self.environment.server_port,
            stop_within_s=SERVER_STOP_WITHIN_S,
            fingerprint=fingerprint_of(*named, code=REPOSITORY / "python" / "src"),
        )

    def _server_values(self) -> Mapping[str, str]:
        return self._defaults() | {name: value for name, value in self.environment.values.items() if value.strip()}

    def _defaults(self) -> dict[str, str]:
        """What the server is told where nobody says otherwise; which provider is used stays the person's choice."""
        token = self.environment.token
        # Beyond loopback the gateway demands the token.
        key = {"GATEWAY_API_KEY": token} if token and not is_loopback(self.environment.host.strip("[]")) else {}
        return self._local_addresses() | key

    def _local_addresses(self) -> dict[str, str]:
        return {} if self.why_no_local_models() else {r.address_variable: self.models.address(r) for r in ROLES}


class as_step_failure:
    """Turns our errors into a failed step."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ArchonError):
            raise StepFailed(error.message, next_step=error.next_step) from error
