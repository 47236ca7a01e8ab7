"""The gateway as `archon up` keeps it beside the server: whether it is wanted, started, found again, stopped."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from src.config import REPOSITORY, Environment, reachable
from src.errors import ConfigurationError
from src.gateway.config import FILE
from src.inference.address import parse_address
from src.inference.registry import load_registry
from src.settings import SecretBox, SettingsService
from src.store.place import place_of

from .local_vllm.roles import CHAT, ROLES
from .ports import require_free
from .processes import Processes, Program, fingerprint_of
from .steps import Step

GATEWAY = "gateway"
GATEWAY_WITHIN_S = 20.0
GATEWAY_STOP_WITHIN_S = 35.0
"""It lets running requests end for `drain_s`."""

_ASK_S = 2.0
_READ_BY_IT = ("ARCHON_", "GATEWAY", "ENABLE_FALLBACK", "FALLBACK_", "HEALTH_CHECK_", "VLLM")
"""Beginnings of the variables after whose change a running copy is replaced; gateway.toml is read on SIGHUP."""


@dataclass(frozen=True, slots=True)
class GatewayProgram:
    """The gateway of one installation. `local` holds the addresses of model servers that are started here."""

    environment: Environment
    processes: Processes
    local: Mapping[str, str]

    @property
    def address(self) -> str:
        """Where it answers on this machine."""
        return f"http://{reachable(self.environment.host)}:{self.environment.gateway_port}"

    def why_not(self, values: Mapping[str, str] | None = None) -> str | None:
        """Why `up` starts none here, given the settings in force; None where it does."""
        if not self.environment.gateway:
            return "switched off by GATEWAY=off"
        known = values if values is not None else self.environment.values
        if known.get("GATEWAY_CONFIG") or (REPOSITORY / FILE).is_file() or known.get("GATEWAY_UPSTREAMS"):
            return None
        if not self.local and not known.get(CHAT.address_variable):
            return "it has no model server to stand before"
        named = [role.address_variable for role in ROLES if self._is_own(known.get(role.address_variable))]
        return f"{named[0]} is the gateway's own address; enter the model server's" if named else None

    def is_alive(self) -> bool:
        """Whether it answers."""
        try:
            return httpx.get(f"{self.address}/health/live", timeout=_ASK_S, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def health(self) -> dict[str, object] | None:
        """What it says of its pools; None where it does not answer."""
        try:
            answer = httpx.get(f"{self.address}/health", timeout=_ASK_S, trust_env=False).json()
        except (httpx.HTTPError, ValueError):
            return None
        return answer if isinstance(answer, dict) else None

    def start(self, step: Step, values: Mapping[str, str]) -> bool:
        """Start it with these settings unless it runs as wanted; True when it was started now.

        Raises:
            StepFailed: the port is taken, or it did not answer in time.
        """
        program = self._program(values)
        running = self.processes.find(GATEWAY)
        if running and running.leader and running.fingerprint == program.fingerprint and self.is_alive():
            step.note = f"runs already at {self.address}"
            return False
        self.stop()
        require_free(program.port, host=self.environment.host, variable="ARCHON_GATEWAY_PORT", what="Archon's gateway")
        started = self.processes.start(program, cwd=REPOSITORY / "python")
        self.processes.wait_for(started, self.is_alive, within_s=GATEWAY_WITHIN_S, what="The gateway")
        step.note = f"{self.address}/v1" + ("  restarted: its code or settings changed" if running else "")
        return True

    def stop(self) -> bool:
        """Stop it once running requests have ended; True when it ran."""
        return self.processes.stop(GATEWAY, within_s=GATEWAY_STOP_WITHIN_S)

    def _program(self, values: Mapping[str, str]) -> Program:
        named = sorted(f"{name}={value}" for name, value in values.items() if name.startswith(_READ_BY_IT))
        return Program(
            name=GATEWAY,
            command=(sys.executable, "-m", "src.cli", "gateway"),
            environment=values,
            port=self.environment.gateway_port,
            stop_within_s=GATEWAY_STOP_WITHIN_S,
            fingerprint=fingerprint_of(*named, code=REPOSITORY / "python" / "src"),
        )

    def _is_own(self, url: str | None) -> bool:
        try:
            address = parse_address(url or "")
        except ConfigurationError:
            return False
        own = parse_address(self.address)
        same_host = address.host == own.host or (address.is_loopback and own.is_loopback)
        return same_host and address.port == own.port


def settings_in_force(environment: Environment) -> dict[str, str]:
    """The environment with what Settings hold over it: model servers entered there are the gateway's too.

    Raises:
        StoreUnavailable, StoreError: the database cannot be read.
        ConfigurationError, SecretUnreadable: the secret key cannot be used.
    """
    return asyncio.run(_in_force(environment))


async def _in_force(environment: Environment) -> dict[str, str]:
    place = await asyncio.to_thread(place_of(environment).started)
    async with place.opened() as database:
        secrets = SecretBox.of(environment.secret_key, environment.data_dir)
        snapshot = await SettingsService(database, secrets, environment, load_registry()).snapshot()
        return {**environment.values, **snapshot.in_force()}
