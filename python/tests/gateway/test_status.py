"""What the gateway says of itself for a page, and the server's way to it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from src.gateway.metrics import Metrics
from src.gateway.serve import reload
from src.gateway.status import first_tokens
from tests.server.conftest import StartServer, serving

from .conftest import Stage
from .door import Door, until
from .faulty import status
from .test_operation import Held, with_upstreams

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def start_server(database_url: str, free_port: int, tmp_path: Path) -> Iterator[StartServer]:
    """Starts the server with these variables; gives its address."""
    own = {"DATABASE_URL": database_url, "ARCHON_SERVER_PORT": str(free_port), "ARCHON_DATA_DIR": str(tmp_path)}
    with ExitStack() as stack:
        yield lambda **values: stack.enter_context(serving(own | values))


async def told_by(door: Door) -> dict[str, dict[str, dict[str, object]]]:
    return dict(json.loads((await door.get("/gateway/status")).body))


async def test_it_counts_requests_streams_and_first_tokens(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    await door.stream()
    await door.chat()
    told = await told_by(door)
    assert (told["totals"]["requests"], told["totals"]["streams"]) == (2, {"complete": 1})
    assert told["first_token"]["m"]["count"] == 1


async def test_it_counts_a_servers_failures_by_class(stage: Stage) -> None:
    server = await stage.server()
    server.next = [status(500)]
    door = await stage.door(server)
    await door.chat()
    pools: object = (await told_by(door))["pools"]
    [upstream] = pools[0]["upstreams"]  # type: ignore[index]
    assert (upstream["requests"], upstream["errors"]) == (2, {"provider_failure": 1})


async def test_a_server_taken_out_of_the_configuration_drains(stage: Stage) -> None:
    old, new = await stage.server(), await stage.server()
    old.behaves = held = Held()
    door = await stage.door(old)
    running = asyncio.create_task(door.stream())
    await until(lambda: len(old.seen) == 1)
    reload(door.listening, lambda: with_upstreams(door, new.url))
    draining: object = (await told_by(door))["draining"]
    held.go.set()
    await running
    assert draining == [{"name": old.url[7:], "url": old.url, "outstanding": 1}]
    assert (await told_by(door))["draining"] == []


def test_quantiles_are_read_off_the_buckets() -> None:
    metrics = Metrics()
    for seconds in (0.02, 0.02, 0.02, 0.3):
        metrics.first_token.labels("m").observe(seconds)
    spread = first_tokens(metrics)["m"]
    assert (spread["count"], 0.01 < float(str(spread["p50_s"])) < 0.025) == (4, True)
    assert 0.25 < float(str(spread["p95_s"])) <= 0.5


async def test_the_server_asks_it_for_the_pages(stage: Stage, start_server: StartServer) -> None:
    door = await stage.door(await stage.server())
    address = start_server(GATEWAY_URL=f"http://127.0.0.1:{door.port}", VLLM_VIA_GATEWAY="true")
    async with httpx.AsyncClient(base_url=address, timeout=10) as archon:
        told = (await archon.get("/api/gateway/status")).json()
    assert (told["used_by"], told["error"]) == (["vLLM"], None)
    assert told["status"]["pools"][0]["upstreams"][0]["state"] == "ready"


async def test_where_none_runs_the_server_says_how_to_start_it(start_server: StartServer) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = start_server(GATEWAY_URL=f"http://127.0.0.1:{bound.getsockname()[1]}")
        async with httpx.AsyncClient(base_url=address, timeout=10) as archon:
            told = (await archon.get("/api/gateway/status")).json()
    assert (told["status"], told["used_by"], told["error"]["code"]) == (None, [], "connection_refused")
    assert "make gateway" in told["error"]["next_step"]


async def test_a_gateway_that_wants_a_key_is_asked_with_it_or_named(stage: Stage, start_server: StartServer) -> None:
    door = await stage.door(await stage.server(), keys=[{"name": "archon", "key": "key-of-the-gateway"}])
    address = start_server(GATEWAY_URL=f"http://127.0.0.1:{door.port}")
    async with httpx.AsyncClient(base_url=address, timeout=10) as archon:
        refused = (await archon.get("/api/gateway/status")).json()
        await archon.put("/api/settings", json={"values": {"GATEWAY_API_KEY": "key-of-the-gateway"}})
        told = (await archon.get("/api/gateway/status")).json()
    assert (refused["error"]["code"], "GATEWAY_API_KEY" in refused["error"]["next_step"]) == ("token_required", True)
    assert (told["error"], "key-of-the-gateway" in json.dumps(told)) == (None, False)
