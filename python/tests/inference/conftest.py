"""A misbehaving model server for every test that wants one, and nothing remembered from the test before."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from src.cli.local_vllm.roles import CHAT
from src.cli.local_vllm.servers import LocalVllmServers
from src.cli.ports import free_port
from src.config import load_environment
from src.inference.discovery import forget_discoveries
from src.inference.pool import close_pool
from tests.fakes.model_server import ModelServer, running

STRICT_KEY = "strict-and-secret"
STRICT_FLAGS = (
    *("--max-model-len", "512", "--max-num-seqs", "4", "--api-key", STRICT_KEY),
    *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A model server that does what it is told."""
    forget_discoveries()
    async with running() as one:
        yield one
        await close_pool()


@pytest.fixture(scope="session")
def strict_vllm_url() -> Iterator[str]:
    """A real vLLM that wants `STRICT_KEY`, reads 512 tokens and calls tools: named in the environment, or started."""
    named = os.environ.get("ARCHON_TEST_STRICT_URL")
    if named:
        yield named.rstrip("/")
        return
    folder = Path(tempfile.mkdtemp(prefix="archon-strict-vllm-"))
    role = replace(CHAT, flags=STRICT_FLAGS)
    servers = LocalVllmServers(folder, load_environment(), {role.name: free_port()})
    try:
        servers.start(role)
        wait_for_models(servers.address(role))
        yield servers.address(role)
    finally:
        servers.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_models(address: str, within_s: float = 300.0) -> None:
    """Return once the server lists its models for whoever has the key."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{address}/v1/models", headers={"Authorization": f"Bearer {STRICT_KEY}"}, timeout=5.0)
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        if answer.is_success:
            return
    raise AssertionError(f"{address} did not come up within {within_s:g} s")
