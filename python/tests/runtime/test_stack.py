"""`archon up`, `status`, `doctor`, `down` as a person runs them, without the local vLLM."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from src.cli.ports import free_port as any_free_port
from src.config import REPOSITORY

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Installation:
    """A data folder and ports of its own."""

    folder: Path
    port: int
    mcp_port: int = field(default_factory=any_free_port)

    def archon(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of it."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        ports = {"ARCHON_SERVER_PORT": str(self.port), "ARCHON_MCP_PORT": str(self.mcp_port)}
        values = kept | ports | {"ARCHON_DATA_DIR": str(self.folder), "VLLM": "off"}
        command = [sys.executable, "-m", "src.cli", *arguments]
        return subprocess.run(command, cwd=REPOSITORY / "python", env=values, capture_output=True, text=True)

    def pid(self) -> int:
        """The server's process."""
        return int(json.loads((self.folder / "run" / "server.json").read_text())["pid"])


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    # Not pytest's folder: the user that runs Postgres in place of root has to enter it.
    parent = Path(tempfile.mkdtemp(prefix="archon-up-"))
    parent.chmod(0o711)
    made = Installation(parent / "data", any_free_port())
    started = made.archon("up")
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield made
    finally:
        made.archon("down")
        shutil.rmtree(parent, ignore_errors=True)


def test_up_returns_when_the_server_answers(installation: Installation) -> None:
    assert httpx.get(f"http://127.0.0.1:{installation.port}/health").json()["status"] == "healthy"


def test_up_again_starts_no_second_copy(installation: Installation) -> None:
    before = installation.pid()
    again = installation.archon("up")
    assert again.returncode == 0
    assert "runs already" in again.stdout
    assert installation.pid() == before


def test_status_names_what_runs(installation: Installation) -> None:
    states = {
        row["name"]: row["state"] for row in json.loads(installation.archon("status", "--json").stdout)["programs"]
    }
    assert (states["Postgres"], states["server"], states["MCP"]) == ("runs", "ready", "ready")


def test_assistants_find_the_mcp_server_beside_the_server(installation: Installation) -> None:
    health = httpx.get(f"http://127.0.0.1:{installation.mcp_port}/health").json()
    told = httpx.get(f"http://127.0.0.1:{installation.port}/api/mcp/status").json()
    assert (health["service"], told["status"]) == ("archon-mcp", "running")


def test_doctor_names_every_part_with_version_and_state(installation: Installation) -> None:
    parts = {part["name"]: part for part in json.loads(installation.archon("doctor", "--json").stdout)["parts"]}
    for name in ("archon", "python", "data folder", "database", "schema", "secret key", "server", "MCP"):
        assert parts[name]["state"] == "ok", parts[name]
    assert parts["database"]["version"].startswith("Postgres 18")


def test_a_taken_port_is_a_sentence_and_leaves_nothing_running(installation: Installation) -> None:
    parent = installation.folder.parent / "second"
    second = Installation(parent, installation.port)
    failed = second.archon("up")
    assert failed.returncode == 1
    assert f"needs port {installation.port}, which '" in failed.stderr
    assert json.loads(second.archon("status", "--json").stdout)["programs"][0]["state"] == "stopped"
    assert list((parent / "run").glob("*.json")) == []  # the server's port answers: the first one has it


def test_without_a_port_for_mcp_the_server_is_there_all_the_same(installation: Installation) -> None:
    other = Installation(installation.folder, installation.port, mcp_port=installation.port)
    started = other.archon("up")
    assert started.returncode == 0
    assert "Archon's MCP server needs port" in started.stdout
    assert httpx.get(f"http://127.0.0.1:{installation.port}/health").is_success
    assert installation.archon("up").returncode == 0


def test_after_up_no_migration_is_pending(installation: Installation) -> None:
    assert json.loads(installation.archon("migrate", "--json").stdout)["applied"] == []


def test_down_stops_all_and_doctor_then_says_what_is_missing() -> None:
    parent = Path(tempfile.mkdtemp(prefix="archon-down-"))
    parent.chmod(0o711)
    one = Installation(parent / "data", any_free_port())
    one.archon("up")
    stopped = json.loads(one.archon("down", "--json").stdout)["stopped"]
    report = one.archon("doctor", "--json")
    shutil.rmtree(parent, ignore_errors=True)
    assert stopped == ["server", "MCP", "Postgres"]
    assert report.returncode == 1
    assert {"database", "server"} <= set(json.loads(report.stdout)["broken"])
