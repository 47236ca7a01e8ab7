"""The official client lists and calls every tool over HTTP, in front of the real server with something to find."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from mcp import Client
from mcp.types import TextContent

from src.config import load_environment
from src.mcp_server.mcp_server import create_app
from tests.server.conftest import StartServer, start_server  # noqa: F401 - a fixture
from tests.server.rest import providers, uploaded

TEXT = "# Tasks\n\nA coroutine is run with asyncio.run. Several are run at once with asyncio.gather."
TOOLS = {
    "rag_get_available_sources",
    "rag_search_knowledge_base",
    "rag_search_code_examples",
    "rag_list_pages_for_source",
    "rag_read_full_page",
    "health_check",
    "session_info",
}


@asynccontextmanager
async def mcp_server(rest: str, **values: str) -> AsyncIterator[str]:
    """The MCP server in front of the REST server at `rest`; yields its address without a path."""
    server = uvicorn.Server(uvicorn.Config(create_app(load_environment(values), rest), log_level="critical"))
    # Listening before it serves: whoever connects early waits in the socket's queue.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def call(client: Client, tool: str, **arguments: str | int) -> dict[str, object]:
    """What the tool's JSON text says."""
    result = await client.call_tool(tool, arguments)
    [content] = result.content
    assert isinstance(content, TextContent)
    return dict(json.loads(content.text))


@asynccontextmanager
async def client_of(rest: str, path: str = "/mcp") -> AsyncIterator[Client]:
    """The official client of an MCP server in front of `rest`."""
    async with mcp_server(rest) as url, Client(f"{url}{path}") as client:
        yield client


@pytest.fixture
async def knowing(
    start_server: StartServer,  # noqa: F811
    vllm_chat_url: str,
    vllm_embedding_url: str,
) -> str:
    """The address of a REST server whose knowledge holds one uploaded file."""
    rest = start_server(**providers(vllm_chat_url, vllm_embedding_url))
    async with httpx.AsyncClient(base_url=rest, timeout=60) as archon:
        await uploaded(archon, "tasks.md", TEXT.encode(), "text/markdown")
    return rest


async def test_a_page_is_found_listed_and_read(knowing: str) -> None:
    async with client_of(knowing) as client:
        found = await call(client, "rag_search_knowledge_base", query="asyncio.gather")
        sources = await call(client, "rag_get_available_sources")
        [result] = found["results"]  # type: ignore[misc]
        pages = await call(client, "rag_list_pages_for_source", source_id=result["source_id"])
        read = await call(client, "rag_read_full_page", page_id=result["page_id"])
        code = await call(client, "rag_search_code_examples", query="asyncio.gather", source_id=result["source_id"])
    assert (code["success"], code["results"], code["error"], code["reason"]) == (True, [], None, "empty_store")
    assert (found["success"], found["return_mode"], found["error"], sources["count"]) == (True, "pages", None, 1)
    assert (pages["total"], pages["source_id"]) == (1, result["source_id"])
    assert "asyncio.gather" in read["page"]["full_content"]  # type: ignore[index]


async def test_health_and_session_are_told(start_server: StartServer) -> None:  # noqa: F811
    async with client_of(start_server()) as client:
        body = await call(client, "health_check")
        session = await call(client, "session_info")
    assert (body["success"], body["health"]["status"]) == (True, "healthy")  # type: ignore[index]
    assert session["session_management"]["session_timeout"] == 3600  # type: ignore[index]


async def test_an_unknown_page_is_a_failure_with_its_reason(start_server: StartServer) -> None:  # noqa: F811
    async with client_of(start_server()) as client:
        body = await call(client, "rag_read_full_page", page_id="../credentials")
        nothing = await call(client, "rag_read_full_page")
    assert body["success"] is False
    assert str(body["error"]).startswith(("HTTP 404", "HTTP 422"))
    assert nothing == {"success": False, "error": "Must provide either page_id or url", "page": None}


async def test_every_tool_of_v1_is_listed(free_port: int) -> None:
    async with client_of(f"http://127.0.0.1:{free_port}", "/mcp/") as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_both_spellings_answer_without_a_redirect(free_port: int, path: str) -> None:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accepts = {"Accept": "application/json, text/event-stream"}
    async with mcp_server(f"http://127.0.0.1:{free_port}") as url, httpx.AsyncClient() as client:
        answer = await client.post(f"{url}{path}", json=asked, headers=accepts)
    assert (answer.status_code, len(answer.json()["result"]["tools"])) == (200, len(TOOLS))


async def test_a_server_that_is_down_is_said_inside_the_answer(free_port: int) -> None:
    async with client_of(f"http://127.0.0.1:{free_port}") as client:
        body = await call(client, "rag_search_knowledge_base", query="x")
    assert (body["success"], body["results"]) == (False, [])
    assert "make up" in str(body["error"])


async def test_a_foreign_host_and_a_missing_token_are_refused(free_port: int) -> None:
    values = {"ARCHON_BIND": "0.0.0.0", "ARCHON_TOKEN": "correct-horse-battery"}
    async with mcp_server(f"http://127.0.0.1:{free_port}", **values) as url, httpx.AsyncClient() as client:
        foreign = await client.post(f"{url}/mcp", headers={"Host": "evil.example"})
        nobody = await client.post(f"{url}/mcp")
    assert (foreign.status_code, nobody.status_code) == (403, 401)


async def test_a_page_from_elsewhere_may_not_call_tools(free_port: int) -> None:
    async with mcp_server(f"http://127.0.0.1:{free_port}") as url, httpx.AsyncClient() as client:
        foreign = await client.post(f"{url}/mcp", headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert "access-control-allow-origin" not in foreign.headers
