"""The real application on a real socket, over a real database of the test's own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from aiohttp import web

from src.config import load_environment
from src.server.main import ArchonServer, create_app, listen
from tests.ingest.site import Site, running_site

from .rest import providers

StartServer = Callable[..., str]


@contextmanager
def serving(values: dict[str, str]) -> Iterator[str]:
    """The server with these environment variables, in a thread of its own; yields its address once it is ready."""
    environment = load_environment(values)
    app = create_app(environment)
    listener = listen(environment)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=5)
    server = ArchonServer(config, app.state.startup)
    thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[listener]),))
    thread.start()
    try:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert app.state.startup.ready.wait(30), app.state.startup.problem
        yield address
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture
def start_server(database_url: str, free_port: int, tmp_path: Path) -> Iterator[StartServer]:
    """Start it with more environment variables: `start_server(ARCHON_TOKEN="…")` gives its address."""
    with ExitStack() as stack:

        def start(**values: str) -> str:
            base = {
                "DATABASE_URL": database_url,
                "ARCHON_SERVER_PORT": str(free_port),
                "ARCHON_DATA_DIR": str(tmp_path),
                "ARCHON_ALLOW_PRIVATE_ADDRESSES": "true",
            }
            return stack.enter_context(serving(base | values))

        yield start


@pytest.fixture
async def api(start_server: StartServer) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with no provider configured."""
    async with httpx.AsyncClient(base_url=start_server(), timeout=30) as client:
        yield client


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that refuses connections for as long as the test runs: it is bound, and nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running_site() as running:
        yield running


@pytest.fixture
async def archon(
    start_server: StartServer, vllm_chat_url: str, vllm_embedding_url: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A server with real model servers that may fetch from loopback."""
    address = start_server(**providers(vllm_chat_url, vllm_embedding_url))
    async with httpx.AsyncClient(base_url=address, timeout=120) as client:
        yield client


@pytest.fixture
async def locked_url() -> AsyncIterator[str]:
    """A server that wants a key, as vLLM with --api-key answers."""

    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"error": "Unauthorized"}, status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()
