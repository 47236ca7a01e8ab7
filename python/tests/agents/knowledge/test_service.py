"""The agents service of Archon v1 on a port of its own: four routes in front of the server's agent."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn

from src.agents.server import create_app
from src.config import load_environment
from tests.fakes.model_server import ModelServer
from tests.server.conftest import StartServer, start_server  # noqa: F401 - a fixture
from tests.server.rest import providers

from .planned import NO_TOOLS, Plan, says


@asynccontextmanager
async def agents_service(rest: str, **values: str) -> AsyncIterator[httpx.AsyncClient]:
    """The service in front of the server at `rest`, and a client of it."""
    port = {"ARCHON_SERVER_PORT": rest.rpartition(":")[2]}
    server = uvicorn.Server(uvicorn.Config(create_app(load_environment(port | values)), log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            async with httpx.AsyncClient(base_url=address, timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            await serving


async def test_an_answer_comes_whole_and_in_pieces(
    start_server: StartServer,  # noqa: F811
    server: ModelServer,
    vllm_embedding_url: str,
) -> None:
    Plan(server, NO_TOOLS, says("It ", "is so."), NO_TOOLS, says("It ", "is so."))
    asked = {"agent_type": "rag", "prompt": "What is so?", "context": {"match_count": 3}}
    async with agents_service(start_server(**providers(server.url, vllm_embedding_url))) as client:
        whole = (await client.post("/agents/run", json=asked)).json()
        pieces = (await client.post("/agents/rag/stream", json=asked)).text
    assert (whole["success"], whole["result"], whole["error"]) == (True, "It is so.", None)
    assert whole["metadata"]["way"] == "one_pass"
    told = [json.loads(line.removeprefix("data: ")) for line in pieces.split("\n\n") if line]
    assert "".join(piece["content"] for piece in told) == "It is so."
    assert [piece["type"] for piece in told] == ["stream_chunk"] * (len(told) - 1) + ["stream_complete"]


async def test_a_failure_in_mid_run_is_told_with_what_to_do_and_its_connection(
    start_server: StartServer,  # noqa: F811
    server: ModelServer,
    vllm_embedding_url: str,
) -> None:
    cut = says("It runs ", "them.")
    Plan(server, NO_TOOLS, type(cut)(cut.parts[:2], end="done"))
    async with agents_service(start_server(**providers(server.url, vllm_embedding_url))) as client:
        whole = (await client.post("/agents/run", json={"prompt": "What is so?"})).json()
    assert (whole["success"], whole["result"], whole["metadata"]["outcome"]) == (False, "It runs ", "truncated")
    assert whole["error"].endswith("Try again or continue it. (Connection: settings:llm)")


async def test_its_routes_tell_what_there_is_and_what_is_missing(free_port: int) -> None:
    async with agents_service(f"http://127.0.0.1:{free_port}") as client:
        health, listed = await client.get("/health"), await client.get("/agents/list")
        failed = await client.post("/agents/run", json={"prompt": "What is so?"})
        unknown = await client.post("/agents/document/stream", json={"prompt": "What is so?"})
    assert (health.json()["status"], list(listed.json()["agents"])) == ("degraded", ["rag"])
    assert (failed.json()["success"], "make up" in failed.json()["error"]) == (False, True)
    assert json.loads(unknown.text.removeprefix("data: "))["type"] == "error"


async def test_beyond_this_machine_it_wants_the_token(free_port: int) -> None:
    values = {"ARCHON_BIND": "0.0.0.0", "ARCHON_TOKEN": "correct-horse-battery"}
    async with agents_service(f"http://127.0.0.1:{free_port}", **values) as client:
        nobody = await client.get("/agents/list")
        known = await client.get("/agents/list", headers={"Authorization": "Bearer correct-horse-battery"})
        health = await client.get("/health")
    assert (nobody.status_code, known.status_code, health.status_code) == (401, 200, 200)
