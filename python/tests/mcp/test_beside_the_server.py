"""The MCP server as the REST server and the interface see it, and as a program of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import httpx
import pytest

from src.config import REPOSITORY, load_environment
from src.mcp_server.edge import Edge
from src.mcp_server.mcp_server import create_app
from src.server.mcp_trial import try_it
from tests.fakes.model_server import Reply, Silence, running
from tests.server.conftest import StartServer, start_server  # noqa: F401 - a fixture

from .test_tools import TOOLS, call, client_of, mcp_server


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


async def asked(rest: str, path: str, method: str = "GET") -> dict[str, object]:
    """The JSON that the REST server answers."""
    async with httpx.AsyncClient(base_url=rest, timeout=60) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_every_tool_is_called_by_the_official_client(start_server: StartServer) -> None:  # noqa: F811
    arguments = {
        "rag_search_knowledge_base": {"query": "tasks"},
        "rag_search_code_examples": {"query": "tasks"},
        "rag_list_pages_for_source": {"source_id": "none"},
        "rag_read_full_page": {"url": "https://nowhere.test/"},
    }
    async with client_of(start_server()) as client:
        told = {tool: await call(client, tool, **arguments.get(tool, {})) for tool in sorted(TOOLS)}
    fields = {
        "rag_get_available_sources": {"sources", "count"},
        "rag_search_knowledge_base": {"results", "error"},
        "rag_search_code_examples": {"results", "error"},
        "rag_list_pages_for_source": {"pages", "total", "source_id", "error"},
        "rag_read_full_page": {"page", "error"},
        "health_check": {"health", "uptime_seconds", "timestamp"},
        "session_info": {"session_management", "timestamp"},
    }
    assert all("success" in body and fields[tool] <= body.keys() for tool, body in told.items()), told


async def test_the_trial_lists_the_tools_and_calls_one(
    start_server: StartServer,  # noqa: F811
    free_port: int,
) -> None:
    async with mcp_server(f"http://127.0.0.1:{free_port}") as url:
        rest = start_server(ARCHON_MCP_PORT=port_of(url))
        body = await asked(rest, "/api/mcp/test", "POST")
    assert (body["ok"], body["error"]) == (True, None)
    assert [(step["step"], step["ok"]) for step in body["steps"]] == [  # type: ignore[attr-defined]
        ("connect", True),
        ("list_tools", True),
        ("call rag_get_available_sources", True),
    ]
    assert {tool["name"] for tool in body["tools"]} == TOOLS  # type: ignore[attr-defined]


async def test_the_server_tells_state_address_and_who_called(
    start_server: StartServer,  # noqa: F811
    free_port: int,
) -> None:
    async with mcp_server(f"http://127.0.0.1:{free_port}") as url:
        rest = start_server(ARCHON_MCP_PORT=port_of(url))
        await asked(rest, "/api/mcp/test", "POST")
        status, clients = await asked(rest, "/api/mcp/status"), await asked(rest, "/api/mcp/clients")
        config, sessions = await asked(rest, "/api/mcp/config"), await asked(rest, "/api/mcp/sessions")
    assert (status["status"], status["logs"], status["container_status"]) == ("running", [], "running")
    assert [client["name"] for client in clients["clients"]] == ["archon-live-test"]  # type: ignore[attr-defined]
    assert (config["url"], config["transport"]) == (f"{url}/mcp", "streamable-http")
    assert (sessions["active_sessions"], sessions["session_timeout"]) == (1, 3600)


async def test_a_public_address_is_what_assistants_are_told(start_server: StartServer) -> None:  # noqa: F811
    rest = start_server(ARCHON_MCP_PUBLIC_URL="https://archon.example.org/mcp")
    config = await asked(rest, "/api/mcp/config")
    assert (config["url"], config["host"], config["port"]) == (
        "https://archon.example.org/mcp",
        "archon.example.org",
        443,
    )


async def test_without_it_the_state_is_stopped_and_the_trial_says_why(
    start_server: StartServer,  # noqa: F811
    unused_mcp_port: int,
) -> None:
    rest = start_server(ARCHON_MCP_PORT=str(unused_mcp_port))
    status, health = await asked(rest, "/api/mcp/status"), await asked(rest, "/api/mcp/health")
    trial = await asked(rest, "/api/mcp/test", "POST")
    assert (status["status"], health["status"], trial["ok"]) == ("stopped", "unhealthy", False)
    assert "archon mcp" in str(trial["error"]["next_step"])  # type: ignore[index]
    assert [step["ok"] for step in trial["steps"]] == [False]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (Reply(body=b"<html>", content_type="text/html"), "protocol", "is not this Archon's MCP server"),
        (Reply(status=404, body={}), "protocol", "is not this Archon's MCP server"),
        (Silence(), "timeout_total", "did not answer within 0.5 s"),
    ],
)
async def test_a_stranger_on_its_port_is_no_riddle(answer: Reply | Silence, code: str, said: str) -> None:
    async with running() as stranger:
        stranger.on("/mcp", answer)
        trial = await try_it(f"{stranger.url}/mcp", {"Authorization": "Bearer correct-horse-battery"}, 0.5)
    assert [(step.step, step.ok) for step in trial.steps] == [("connect", False)]
    assert trial.error is not None
    assert (trial.error.code, said in trial.error.message) == (code, True)
    assert "archon" in trial.error.next_step.lower()
    assert "correct-horse" not in str(trial.to_dict())


async def test_another_token_is_said_and_no_token_is_shown(
    start_server: StartServer,  # noqa: F811
    free_port: int,
) -> None:
    values = {"ARCHON_BIND": "0.0.0.0", "ARCHON_TOKEN": "correct-horse-battery"}
    async with mcp_server(f"http://127.0.0.1:{free_port}", **values) as url:
        rest = start_server(ARCHON_MCP_PORT=port_of(url))
        trial, status = await asked(rest, "/api/mcp/test", "POST"), await asked(rest, "/api/mcp/status")
    assert "another token" in str(trial["error"]["error"])  # type: ignore[index]
    assert (status["status"], "another token" in str(status["message"])) == ("error", True)


@pytest.fixture
def unused_mcp_port(free_port: int) -> int:
    """A port beside the server's that nobody listens on."""
    return free_port + 1


async def test_health_is_open_and_names_are_behind_the_token(free_port: int) -> None:
    values = {"ARCHON_BIND": "0.0.0.0", "ARCHON_TOKEN": "correct-horse-battery"}
    async with mcp_server(f"http://127.0.0.1:{free_port}", **values) as url, httpx.AsyncClient() as client:
        health, names = await client.get(f"{url}/health"), await client.get(f"{url}/clients")
        token = {"Authorization": "Bearer correct-horse-battery"}
        known = await client.get(f"{url}/clients", headers=token)
    assert (health.status_code, names.status_code, known.status_code) == (200, 401, 200)


async def test_its_connections_are_closed_at_the_end() -> None:
    edge = create_app(load_environment({}))
    assert isinstance(edge, Edge)
    told = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    said: list[str] = []

    async def receive() -> dict[str, str]:
        return next(told)

    async def send(message: dict[str, str]) -> None:
        said.append(message["type"])

    await edge({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)  # type: ignore[arg-type]
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert edge.ended


async def test_archon_mcp_serves_until_it_is_told_to_stop(free_port: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "src.cli", "mcp", "--port", str(free_port)),
        cwd=REPOSITORY / "python",
        env={"PATH": os.environ["PATH"]},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    said = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
    async with httpx.AsyncClient(timeout=10) as client:
        health = await client.get(f"http://127.0.0.1:{free_port}/health")
    process.send_signal(signal.SIGTERM)
    assert said == f"MCP answers at http://127.0.0.1:{free_port}/mcp\n"
    assert health.json()["service"] == "archon-mcp"
    assert await asyncio.wait_for(process.wait(), 20) == 0
