"""The status page's call: the store, who works, each model server with its history, and the errors since the start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from src.inference.provider import Endpoint
from src.inference.registry import load_registry
from src.inference.server_figures import ServerFigures, server_figures
from src.store import jobs
from src.store.operation import workers
from src.store.postgres import PostgresDatabase
from tests.fakes.model_server import ModelServer, Reply, running

from .conftest import StartServer, serving
from .rest import providers


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    """A model server that answers."""
    async with running() as server:
        yield server


async def _status(server: str, *, fresh: bool = True) -> dict[str, object]:
    async with httpx.AsyncClient(timeout=30) as client:
        reply = await client.get(f"{server}/api/status", params={"fresh": fresh})
    assert reply.status_code == 200
    found: dict[str, object] = reply.json()
    return found


async def test_each_model_server_is_there_with_every_look_at_it(
    start_server: StartServer, models: ModelServer, unused_port: int
) -> None:
    server = start_server(**providers(models.url, f"http://127.0.0.1:{unused_port}"))
    await _status(server)
    found = (await _status(server))["models"]
    assert isinstance(found, list)
    shown = {tuple(one["services"]): (one["state"], [look["code"] for look in one["checks"]]) for one in found}
    assert shown[("llm",)] == ("up", [None, None])
    assert shown[("embedding",)] == ("down", ["connection_refused", "connection_refused"])
    assert [one["last_failure"]["code"] for one in found if one["last_failure"]] == ["connection_refused"]


async def test_a_look_that_is_not_due_is_not_made(start_server: StartServer, models: ModelServer) -> None:
    server = start_server(**providers(models.url, models.url))
    await _status(server)
    found = (await _status(server, fresh=False))["models"]
    assert isinstance(found, list)
    assert [(one["services"], len(one["checks"])) for one in found] == [(["llm", "embedding"], 1)]


async def test_the_looks_before_a_restart_are_still_there(
    models: ModelServer, unused_port: int, database_url: str, free_port: int, tmp_path: Path
) -> None:
    values = providers(models.url, f"http://127.0.0.1:{unused_port}") | {
        "DATABASE_URL": database_url,
        "ARCHON_SERVER_PORT": str(free_port),
        "ARCHON_DATA_DIR": str(tmp_path),
    }
    with serving(values) as server:
        before = (await _status(server))["models"]
    with serving(values) as server:
        after = (await _status(server, fresh=False))["models"]
    assert isinstance(before, list)
    assert isinstance(after, list)
    assert [one["checks"][:-1] for one in after] == [one["checks"] for one in before]
    assert [[look["code"] for look in one["checks"]] for one in after] == [[None, None], ["connection_refused"] * 2]


async def test_the_store_and_the_errors_are_told(start_server: StartServer) -> None:
    server = start_server()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{server}/api/credentials/NOBODY")).status_code == 404
    found = await _status(server)
    assert found["store"]["pgvector"].startswith("0.")  # type: ignore[index]
    assert found["store"]["indexes_waiting"] == 0  # type: ignore[index]
    assert {"code": "not_found", "provider": "", "count": 1} in found["errors"]  # type: ignore[operator]


async def test_who_works_is_named_with_what_it_has_in_hand(database: PostgresDatabase) -> None:
    await jobs.create(database, kind="crawl", source_id=None, request={}, progress={})
    await jobs.claim(database, "one", lease_s=60)
    await jobs.take_duty(database, "caretaker", "two", lease_s=60)
    await jobs.take_duty(database, "ended", "three", lease_s=-1)
    assert [(one.name, one.jobs, one.duty) for one in await workers(database)] == [
        ("one", 1, None),
        ("two", 0, "caretaker"),
    ]


async def test_the_figures_of_several_engines_are_one(models: ModelServer) -> None:
    page = CollectorRegistry()
    running = Gauge("vllm:num_requests_running", "", ("engine",), registry=page)
    cache = Gauge("vllm:kv_cache_usage_perc", "", ("engine",), registry=page)
    first = Histogram("vllm:time_to_first_token_seconds", "", ("engine",), registry=page)
    for engine in ("0", "1"):
        running.labels(engine).set(2)
        cache.labels(engine).set(0.25 + float(engine) / 2)
        first.labels(engine).observe(0.5 + float(engine))
    models.on("/metrics", Reply(body=generate_latest(page)))
    found = await server_figures(load_registry().get("vllm"), Endpoint(base_url=f"{models.url}/v1", api_key=None))
    assert found == ServerFigures(running=4, waiting=None, cache_used=0.75, first_token_s=1.0)
