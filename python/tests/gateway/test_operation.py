"""Reload, drain, health, status, metrics; other providers in place of servers that are gone."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from src.config import REPOSITORY, load_environment
from src.errors import ConfigurationError
from src.gateway.config import (
    Discovery,
    FallbackTable,
    GatewayConfig,
    KeyTable,
    Limits,
    LocalServers,
    PoolTable,
    Retries,
    Timeouts,
    UpstreamTable,
    load_config,
)
from src.gateway.metrics import Metrics
from src.gateway.serve import listen, reload

from .conftest import Stage
from .door import CHAT, Door, until
from .faulty import Line, Seen, event, status, stream

PYTHON = Path(__file__).resolve().parents[2]


class Held:
    """A behaviour that begins a stream and ends it when told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, line: Line, seen: Seen) -> None:
        await line.begin_stream()
        await line.chunk(event("a"))
        await self.go.wait()
        await line.chunk(event("", "stop") + b"data: [DONE]\n\n")
        await line.end()


async def test_a_new_configuration_drops_no_stream(stage: Stage) -> None:
    old, new = await stage.server(), await stage.server()
    old.behaves = held = Held()
    door = await stage.door(old)
    running = asyncio.create_task(door.stream())
    await until(lambda: len(old.seen) == 1)
    assert reload(door.listening, lambda: with_upstreams(door, new.url))
    await until(lambda: next(iter(door.gateway.fleet.servers)).ready)
    assert (await door.chat()).headers["x-archon-upstream"].endswith(str(new.port))
    held.go.set()
    await running
    assert [line.get("outcome") for line in door.log] == [None, "complete"]


async def test_a_configuration_that_cannot_be_used_changes_nothing(stage: Stage) -> None:
    door = await stage.door(await stage.server())

    def broken() -> GatewayConfig:
        raise ConfigurationError("pools: none")

    assert not reload(door.listening, broken)
    assert (await door.chat()).status == 200


async def test_servers_that_stay_keep_their_state_over_a_reload(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    before = next(iter(door.gateway.fleet.servers))
    reload(door.listening, lambda: with_upstreams(door, server.url))
    assert next(iter(door.gateway.fleet.servers)) is before


async def test_draining_ends_streams_whole_and_takes_nothing_new(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = held = Held()
    door = await stage.door(server)
    running = asyncio.create_task(door.stream())
    await until(lambda: len(server.seen) == 1)
    draining = asyncio.create_task(door.listening.drain())
    await until(lambda: not door.listening.server.is_serving())
    with pytest.raises(ConnectionRefusedError):
        await door.client()
    held.go.set()
    assert (await draining, (await running).ended) == (True, True)


async def test_draining_has_an_end(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = stream(event("a"), ending="hang")
    door = await stage.door(server, timeouts={"drain_s": 0.2, "between_bytes_s": 30})
    running = asyncio.create_task(door.stream())
    await until(lambda: len(server.seen) == 1)
    assert await door.listening.drain() is False
    assert (await running).ended is False


async def test_health_is_503_while_a_pool_is_down_and_names_its_servers(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    well = await door.get("/health")
    await server.stop()
    await until(lambda: not next(iter(door.gateway.fleet.servers)).ready)
    ill = await door.get("/health")
    upstream = json.loads(ill.body)["pools"][0]["upstreams"][0]
    assert (well.status, ill.status, upstream["state"]) == (200, 503, "ejected")
    assert upstream["last_error"]["code"] == "connection_refused"
    assert (await door.get("/health/live")).status == 200


async def test_health_is_200_while_one_of_two_servers_is_down(stage: Stage) -> None:
    one, two = await stage.server(), await stage.server()
    door = await stage.door(one, two)
    await one.stop()
    await until(lambda: not next(iter(door.gateway.fleet.servers)).ready)
    assert (await door.get("/health")).status == 200


async def test_what_a_server_said_stays_off_the_page_that_is_open_to_all(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = status(500, b'{"error":{"message":"cannot parse: the secret prompt","code":500}}')
    door = await stage.door(server, retries={"attempts": 1})
    await door.chat()
    pages = [(await door.get(path)).body for path in ("/health", "/gateway/status")]
    assert [b"provider_failure" in page for page in pages] == [True, True]
    assert [b"secret prompt" in page for page in pages] == [False, True]


async def test_a_second_gateway_at_the_same_port_is_refused(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    with pytest.raises(ConfigurationError, match="cannot listen") as raised:
        await listen(door.gateway.config, load_environment({}), "127.0.0.1", door.port)
    assert raised.value.context.field == "ARCHON_GATEWAY_PORT"


@pytest.mark.parametrize("place", ["docs/operate/gateway.md", "docs/operate/grafana/gateway.json"])
def test_every_metric_that_is_named_exists(place: str) -> None:
    endings = {"counter": "_total"}
    exist = {family.name + endings.get(family.type, "") for family in Metrics().registry.collect()}
    text = (REPOSITORY / place).read_text()
    table = text.partition("| metric | what |")[2].partition("\n\n")[0]
    named = {name.removesuffix("_bucket") for name in re.findall(r"archon_gateway_[a-z_]+[a-z]", text)}
    named |= {f"archon_gateway_{name}" for name in re.findall(r"`([a-z_]+)(?:\{[a-z,]+\})?`", table)}
    assert (len(named) > 15, named - exist) == (True, set())


async def test_the_metrics_page_counts_what_happened(stage: Stage) -> None:
    bad, well = await stage.server(), await stage.server()
    bad.behaves = status(500)
    door = await stage.door(bad, well)
    for _ in range(2):
        await door.chat()
    page = (await door.get("/metrics")).body.decode()
    wanted = [
        "requests_total",
        "retries_total",
        "request_duration_seconds_bucket",
        "cb_state",
        "tokens_total",
        "upstream_up",
    ]
    assert [name for name in wanted if f"archon_gateway_{name}" not in page] == []
    assert await door.metric("retries_total", upstream=f"127.0.0.1:{bad.port}") == 1


async def test_the_status_page_has_all_that_a_page_can_draw(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    status_page = json.loads((await door.get("/gateway/status")).body)
    pool = status_page["pools"][0]
    assert (pool["name"], pool["can_serve"], pool["queued"], pool["models"]) == ("pool", True, 0, ["m"])
    assert set(pool["upstreams"][0]) >= {
        "name",
        "state",
        "outstanding",
        "ejections",
        "figures",
        "last_error",
        "version",
    }


async def test_a_chat_goes_to_the_fallback_when_no_server_can_answer(stage: Stage) -> None:
    server, other = await stage.server(), await stage.server("llama")
    door = await _with_fallback(stage, server, other)
    await server.stop()
    answers = [await door.chat(), await door.stream()]
    assert [(answer.status, answer.headers["x-archon-provider"]) for answer in answers] == [(200, "ollama")] * 2
    assert [seen.fields["model"] for seen in other.seen] == ["llama", "llama"]
    assert [line["provider"] for line in door.log] == ["ollama", "ollama"]
    assert await door.metric("fallbacks_total", provider="ollama", result="answered") == 2


async def test_a_clients_mistake_does_not_go_to_the_fallback(stage: Stage) -> None:
    server, other = await stage.server(), await stage.server("llama")
    door = await _with_fallback(stage, server, other)
    server.behaves = status(400)
    assert ((await door.chat()).status, (await door.chat(model="unknown")).status, other.seen) == (400, 404, [])


async def test_no_key_of_a_client_reaches_the_fallback(stage: Stage) -> None:
    server, other = await stage.server(), await stage.server("llama")
    door = await _with_fallback(stage, server, other)
    await server.stop()
    await door.ask("/v1/chat/completions", CHAT, {"Authorization": "Bearer secret-of-client"})
    assert "secret-of-client" not in str(other.seen[0].headers)


async def test_embeddings_never_go_to_another_space(stage: Stage) -> None:
    server, other = await stage.server("e", "embed"), await stage.server("llama")
    door = await _with_fallback(stage, server, other)
    await server.stop()
    answer = await door.ask("/v1/embeddings", {"model": "e", "input": "x"})
    assert (answer.status, other.seen) == (503, [])


async def test_when_the_fallback_fails_too_the_first_failure_is_told(stage: Stage) -> None:
    server, other = await stage.server(), await stage.server("llama")
    door = await _with_fallback(stage, server, other)
    await server.stop()
    other.behaves = status(500)
    answer = await door.chat()
    assert (answer.status, answer.error["code"]) == (503, "connection_refused")


async def test_a_chat_that_a_good_server_answers_names_no_fallback(stage: Stage) -> None:
    server, other = await stage.server(), await stage.server("llama")
    door = await _with_fallback(stage, server, other)
    assert "x-archon-provider" not in (await door.chat()).headers


def test_the_plain_case_is_the_two_local_servers() -> None:
    local = LocalServers("http://127.0.0.1:8101", "http://127.0.0.1:8100")
    config = load_config(load_environment({}), local=local)
    assert [(pool.name, pool.upstreams[0].url) for pool in config.pools] == [
        ("generation", "http://127.0.0.1:8101"),
        ("embedding", "http://127.0.0.1:8100"),
    ]


def test_the_example_shows_the_defaults() -> None:
    example = load_config(load_environment({}), REPOSITORY / "gateway.example.toml")
    pools = [pool.model_copy(update={"name": "p", "upstreams": ()}) for pool in example.pools]
    bare = GatewayConfig(pools=(PoolTable(name="p", upstreams=(UpstreamTable(url="http://a"),)),))
    assert pools == [bare.pools[0].model_copy(update={"upstreams": ()})] * 2
    assert example.model_copy(update={"pools": ()}) == bare.model_copy(update={"pools": ()})


def test_every_setting_stands_in_the_example() -> None:
    text = (REPOSITORY / "gateway.example.toml").read_text()
    tables = (GatewayConfig, PoolTable, UpstreamTable, KeyTable, FallbackTable, Timeouts, Limits, Retries, Discovery)
    assert [name for table in tables for name in table.model_fields if name not in text] == []


def test_without_any_server_it_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="no model server"):
        load_config(load_environment({}))


def test_a_file_that_names_its_servers_needs_no_address_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[[pools]]\nname = "all"\nupstreams = [{ url = "http://gpu:8000" }]\n')
    assert [pool.name for pool in load_config(load_environment({}), file).pools] == ["all"]


def test_an_address_of_ones_own_starts_no_local_pool() -> None:
    config = load_config(
        load_environment({"VLLM_BASE_URL": "http://gpu:8000/v1"}), local=LocalServers("http://a", "http://b")
    )
    assert [row.url for pool in config.pools for row in pool.upstreams] == ["http://gpu:8000"]


def test_listed_upstreams_win_over_the_two_addresses() -> None:
    values = {"GATEWAY_UPSTREAMS": "http://a:1/v1, b:2/", "VLLM_BASE_URL": "http://c:3"}
    config = load_config(load_environment(values))
    assert [row.url for row in config.pools[0].upstreams] == ["http://a:1", "http://b:2"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[[pools]]\nname='a'\nupstreams=[]", "pools.0.upstreams"),
        ("[timeouts]\nconnect_s=0", "timeouts.connect_s"),
        ("[nonsense]\na=1", "nonsense"),
        ("[[pools]]\nname='a'\nupstreams=[{url='ftp://x'}]", "url"),
        ("not toml", "gateway.toml"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_config(load_environment({"VLLM_BASE_URL": "http://a"}), file)
    assert raised.value.context.field == field


@pytest.mark.slow
async def test_the_command_reloads_on_sighup_and_drains_on_sigterm(stage: Stage, tmp_path: Path) -> None:
    server, second = await stage.server("m"), await stage.server("n")
    file = tmp_path / "gateway.toml"
    file.write_text(f"[[pools]]\nname='a'\nupstreams=[{{url='{server.url}'}}]\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from src.cli.gateway import app; app()", "--port", "0", "--config", str(file),
        cwd=PYTHON, env={**os.environ, "PYTHONPATH": str(PYTHON)}, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    port = int((await _line_with(process.stderr, b"answers at")).rpartition(b":")[2].split(b"/")[0])
    file.write_text(f"[[pools]]\nname='b'\nupstreams=[{{url='{second.url}'}}]\n")
    process.send_signal(signal.SIGHUP)
    await _line_with(process.stderr, b"configuration reloaded")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert b'"name":"b"' in await reader.read()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def _line_with(stream: asyncio.StreamReader, text: bytes) -> bytes:
    async with asyncio.timeout(20):
        while text not in (line := await stream.readline()):
            assert line
    return line.strip()


async def _with_fallback(stage: Stage, server: object, other: object) -> Door:
    environment = {"LLM_BASE_URL": other.url, "MODEL_CHOICE": "ignored"}  # type: ignore[attr-defined]
    fallback = {"enabled": True, "chain": ["ollama"], "models": {"ollama": "llama"}}
    return await stage.door(server, environment=environment, fallback=fallback)  # type: ignore[arg-type]


def with_upstreams(door: Door, url: str) -> GatewayConfig:
    pool = door.gateway.config.pools[0]
    table = type(pool).model_validate({"name": "pool", "upstreams": [{"url": url}]})
    return door.gateway.config.model_copy(update={"pools": (table,)})
