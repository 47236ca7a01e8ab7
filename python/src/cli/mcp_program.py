"""The MCP server as `archon up` keeps it beside the server: started, found again, stopped."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import httpx

from src.config import REPOSITORY, Environment, reachable

from .launched import Launched, launch
from .processes import Processes, Program, fingerprint_of
from .steps import Step

MCP = "mcp"
MCP_WITHIN_S = 30.0
MCP_STOP_WITHIN_S = 10.0

_ASK_S = 2.0
_READ_BY_IT = ("ARCHON_", "LOG_LEVEL")
"""Beginnings of the variables after whose change a running copy is replaced."""


@dataclass(frozen=True, slots=True)
class McpProgram:
    """The MCP server of one installation."""

    environment: Environment
    processes: Processes

    @property
    def address(self) -> str:
        """Where assistants on this machine find it."""
        return f"http://{reachable(self.environment.host)}:{self.environment.mcp_port}/mcp"

    def is_alive(self) -> bool:
        """Whether it answers."""
        health = self.address.removesuffix("/mcp") + "/health"
        try:
            return httpx.get(health, timeout=_ASK_S, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def launch(self) -> Launched:
        """Start it unless it runs as wanted, without waiting.

        Raises:
            StepFailed: the port is taken.
        """
        return launch(
            self.processes,
            self._program(),
            answers=self.is_alive,
            address=self.address,
            host=self.environment.host,
            variable="ARCHON_MCP_PORT",
            what="Archon's MCP server",
        )

    def wait(self, launched: Launched, step: Step) -> bool:
        """Return once it answers; True when it was started now.

        Raises:
            StepFailed: it ended, or did not answer in time.
        """
        if launched.running:
            self.processes.wait_for(launched.running, launched.look, within_s=MCP_WITHIN_S, what="The MCP server")
        launched.tell(step)
        return launched.running is not None

    def stop(self) -> bool:
        """Stop it; True when it ran."""
        return self.processes.stop(MCP, within_s=MCP_STOP_WITHIN_S)

    def _program(self) -> Program:
        values = {name: value for name, value in self.environment.values.items() if value.strip()}
        named = sorted(f"{name}={value}" for name, value in values.items() if name.startswith(_READ_BY_IT))
        return Program(
            name=MCP,
            command=(sys.executable, "-m", "src.mcp_server.mcp_server"),
            environment=values,
            port=self.environment.mcp_port,
            stop_within_s=MCP_STOP_WITHIN_S,
            fingerprint=fingerprint_of(*named, code=REPOSITORY / "python" / "src"),
        )
