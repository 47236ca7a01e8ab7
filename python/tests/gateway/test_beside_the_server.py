"""`archon up` keeps a gateway beside the server where model servers are known, and goes on without one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from src.cli.gateway_program import GatewayProgram
from src.cli.ports import free_port
from src.cli.processes import Processes
from src.config import REPOSITORY, load_environment

from .faulty import FaultyServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Installation:
    """A data folder and ports of its own."""

    folder: Path
    server_port: int = field(default_factory=free_port)
    gateway_port: int = field(default_factory=free_port)
    mcp_port: int = field(default_factory=free_port)

    async def archon(self, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
        """Run a command of it with these variables."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {
            "ARCHON_DATA_DIR": str(self.folder),
            "ARCHON_SERVER_PORT": str(self.server_port),
            "ARCHON_GATEWAY_PORT": str(self.gateway_port),
            "ARCHON_MCP_PORT": str(self.mcp_port),
            "VLLM": "off",
        }
        command = [sys.executable, "-m", "src.cli", *arguments]
        run = subprocess.run
        return await asyncio.to_thread(
            run, command, cwd=REPOSITORY / "python", env=kept | own | values, capture_output=True, text=True
        )

    async def parts(self, command: str, key: str, **values: str) -> dict[str, dict[str, str]]:
        """The rows of `status` or `doctor` by name."""
        rows = json.loads((await self.archon(command, "--json", **values)).stdout)[key]
        return {row["name"]: row for row in rows}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A data folder; the database made by the first test serves the others."""
    # Not pytest's folder: the user that runs Postgres in place of root has to enter it.
    parent = Path(tempfile.mkdtemp(prefix="archon-beside-"))
    parent.chmod(0o711)
    yield parent / "data"
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
async def installation(folder: Path) -> AsyncIterator[Installation]:
    one = Installation(folder)
    yield one
    await one.archon("down")


@pytest.fixture
async def model_server() -> AsyncIterator[FaultyServer]:
    server = await FaultyServer("m").start()
    yield server
    await server.stop()


async def models_at(port: int) -> list[str]:
    """What the gateway at `port` serves."""
    async with httpx.AsyncClient() as client:
        listed = await client.get(f"http://127.0.0.1:{port}/v1/models")
    return [model["id"] for model in listed.json()["data"]]


async def test_up_starts_it_once_and_down_stops_it(installation: Installation, model_server: FaultyServer) -> None:
    named = {"VLLM_BASE_URL": model_server.url}
    first = await installation.archon("up", **named)
    models = await models_at(installation.gateway_port)
    second = await installation.archon("up", **named)
    assert (models, first.returncode, second.returncode) == (["m"], 0, 0)
    assert f"runs already at http://127.0.0.1:{installation.gateway_port}" in second.stdout
    assert (await installation.parts("status", "programs", **named))["gateway"]["state"] == "ready"
    assert (await installation.parts("doctor", "parts", **named))["gateway"]["state"] == "ok"
    stopped = json.loads((await installation.archon("down", "--json")).stdout)["stopped"]
    assert ("gateway" in stopped, stopped[0], stopped[-1]) == (True, "server", "Postgres")


async def test_the_server_goes_on_where_the_gateway_cannot_start(
    installation: Installation, model_server: FaultyServer
) -> None:
    with socket.create_server(("127.0.0.1", installation.gateway_port)):
        up = await installation.archon("up", VLLM_BASE_URL=model_server.url)
    async with httpx.AsyncClient() as client:
        health = await client.get(f"http://127.0.0.1:{installation.server_port}/health")
    assert (up.returncode, health.json()["status"]) == (0, "healthy")
    assert f"Archon's gateway needs port {installation.gateway_port}" in up.stdout
    assert "ARCHON_GATEWAY_PORT" in up.stdout


async def test_a_model_server_entered_in_settings_is_the_gateways_too(
    installation: Installation, model_server: FaultyServer
) -> None:
    without = await installation.archon("up")
    assert "no model server to stand before" in without.stdout
    saved = {"values": {"VLLM_BASE_URL": model_server.url}}
    async with httpx.AsyncClient() as client:
        await client.put(f"http://127.0.0.1:{installation.server_port}/api/settings", json=saved)
    await installation.archon("up")
    assert await models_at(installation.gateway_port) == ["m"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"GATEWAY": "off", "VLLM_BASE_URL": "http://gpu:8000"}, "GATEWAY=off"),
        ({}, "no model server"),
        ({"VLLM_BASE_URL": "http://localhost:8200/v1"}, "the gateway's own address"),
        ({"VLLM_BASE_URL": "http://gpu:8000", "VLLM_EMBEDDING_BASE_URL": "http://127.0.0.1:8200"}, "own address"),
        ({"VLLM_BASE_URL": "http://gpu:8000"}, None),
        ({"GATEWAY_UPSTREAMS": "http://gpu:8000"}, None),
    ],
)
def test_it_is_started_only_where_it_has_something_to_stand_before(
    values: dict[str, str], reason: str | None, tmp_path: Path
) -> None:
    why_not = GatewayProgram(load_environment(values), Processes(tmp_path), {}).why_not()
    assert (why_not is None) if reason is None else reason in str(why_not)
