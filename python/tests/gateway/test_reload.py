"""A configuration read again: everything in it counts from then on, and nobody who is served or waits is dropped."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from src.config import load_environment
from src.errors import ConfigurationError
from src.gateway.config import GatewayConfig, load_config
from src.gateway.serve import reload

from .conftest import Stage
from .door import CHAT, STREAM, Door, until
from .faulty import DONE, after, hang
from .test_heal import STORY, Teller, text_of
from .test_operation import Held, with_upstreams

PATH = "/v1/chat/completions"


def with_fields(door: Door, **tables: object) -> GatewayConfig:
    """The configuration in force with other tables."""
    return GatewayConfig.model_validate(door.gateway.config.model_dump() | tables)


async def test_a_hundred_streams_outlive_new_keys_and_the_removal_of_their_server(stage: Stage) -> None:
    old, new = await stage.server(), await stage.server()
    old.behaves = held = Held()
    door = await stage.door(old, keys=[{"name": "a", "key": "the-old-key"}])
    keyed = {"Authorization": "Bearer the-old-key"}
    running = [asyncio.create_task(door.ask(PATH, STREAM, keyed)) for _ in range(100)]
    await until(lambda: len(old.seen) == 100)
    reload(door.listening, lambda: with_upstreams(door, new.url))
    reload(door.listening, lambda: with_fields(door, keys=[{"name": "b", "key": "the-new-key"}]))
    held.go.set()
    answers = await asyncio.gather(*running)
    assert {(answer.status, answer.body.endswith(DONE)) for answer in answers} == {(200, True)}


async def test_who_waits_in_line_during_a_reload_is_served_in_turn(stage: Stage) -> None:
    server = await stage.server()
    server.next = [hang]
    door = await stage.door(server, pool={"max_outstanding": 1}, timeouts={"answer_s": 30.0})
    first = asyncio.create_task(door.chat())
    await until(lambda: len(server.seen) == 1)
    waiting = [asyncio.create_task(door.chat())]
    await until(lambda: door.gateway.fleet.pools[0][0].queued == 1)
    reload(door.listening, lambda: door.gateway.config)
    waiting.append(asyncio.create_task(door.chat()))
    await until(lambda: door.gateway.fleet.pools[0][0].queued == 2)
    first.cancel()
    async with asyncio.timeout(20):
        assert [(await one).status for one in waiting] == [200, 200]


async def test_requests_under_way_still_count_for_their_key_and_no_longer_once_they_end(stage: Stage) -> None:
    server = await stage.server()
    release = asyncio.Event()
    server.behaves = after(release)
    door = await stage.door(server, keys=[{"name": "one", "key": "one-key", "max_concurrent": 1}])
    keyed = {"Authorization": "Bearer one-key"}
    first = asyncio.create_task(door.ask(PATH, CHAT, keyed))
    await until(lambda: len(server.seen) == 1)
    reload(door.listening, lambda: door.gateway.config)
    during = (await door.ask(PATH, CHAT, keyed)).status
    release.set()
    await first
    assert (during, (await door.ask(PATH, CHAT, keyed)).status) == (429, 200)


async def test_new_limits_of_a_key_count_at_once(stage: Stage) -> None:
    door = await stage.door(await stage.server(), keys=[{"name": "a", "key": "a-key"}])
    keyed = {"Authorization": "Bearer a-key"}
    await door.ask(PATH, CHAT, keyed)
    row = {"name": "a", "key": "a-key", "requests_per_minute": 1}
    reload(door.listening, lambda: with_fields(door, keys=[row]))
    assert [(await door.ask(PATH, CHAT, keyed)).status for _ in range(2)] == [200, 429]


async def test_new_limits_and_time_outs_count_for_the_next_request(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    quick = door.gateway.config.timeouts.model_dump() | {"connect_s": 0.7, "answer_s": 0.05}
    reload(door.listening, lambda: with_fields(door, limits={"body_bytes": 200}, timeouts=quick))
    server.behaves = hang
    codes = [(await door.chat()).status, (await door.chat(x="y" * 300)).status]
    assert (codes, next(iter(door.gateway.fleet.servers.values())).dialer.connect_s) == ([504, 413], 0.7)


async def test_a_server_that_is_gone_from_the_configuration_is_gone_from_the_metrics(stage: Stage) -> None:
    old, new = await stage.server(), await stage.server()
    door = await stage.door(old)
    await door.get("/metrics")
    reload(door.listening, lambda: with_upstreams(door, new.url))
    page = (await door.get("/metrics")).body.decode()
    assert (f'cb_state{{upstream="{old.url[7:]}"}}' in page, f'cb_state{{upstream="{new.url[7:]}"}}' in page) == (
        False,
        True,
    )


@pytest.mark.parametrize("field", ["upstreams", "pools", "keys"])
def test_a_name_that_is_given_twice_is_refused_before_anything_changes(tmp_path: Path, field: str) -> None:
    row = '{ url = "http://a:1" }'
    pools = ['[[pools]]\nname="p"\nupstreams=[{ url = "http://a:1", name="x" }]']
    more = {
        "upstreams": [f'[[pools]]\nname="q"\nupstreams=[{row}, {row}]'],
        "pools": [f'[[pools]]\nname="p"\nupstreams=[{row}]'],
        "keys": ['[[keys]]\nname="k"\nkey="one"', '[[keys]]\nname="k"\nkey="two"'],
    }
    file = tmp_path / "gateway.toml"
    file.write_text("\n".join(pools + more[field]))
    with pytest.raises(ConfigurationError, match=f"two {field} are called"):
        load_config(load_environment({}), file)


def test_a_key_in_a_variable_is_read_again_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[[pools]]\nname="p"\nupstreams=[{ url="http://a:1", key_env="UP" }]\n[[keys]]\nname="k"\nkey_env="DOWN"\n'
    )
    read = [load_config(load_environment({"UP": f"up-{turn}", "DOWN": f"down-{turn}"}), file) for turn in (1, 2)]
    assert [(one.pools[0].upstreams[0].key, one.keys[0].key) for one in read] == [
        ("up-1", "down-1"),
        ("up-2", "down-2"),
    ]


async def test_a_stream_that_breaks_after_a_reload_heals_on_a_server_of_now(stage: Stage) -> None:
    teller = Teller(ending="wait")
    old, new = await stage.server(), await stage.server()
    old.behaves = new.behaves = teller
    door = await stage.door(old, pool={"heal": True}, timeouts={"between_bytes_s": 30.0})
    running = asyncio.create_task(door.stream(max_tokens=8, temperature=0))
    await until(lambda: len(old.seen) == 1)
    table = {"name": "pool", "heal": True, "upstreams": [{"url": new.url}]}
    reload(door.listening, lambda: with_fields(door, pools=[table]))
    await until(lambda: all(one.ready for one in door.gateway.fleet.servers))
    teller.go.set()
    answer = await running
    assert (text_of(answer), door.log[0]["upstream"]) == (STORY, new.url[7:])


async def test_a_fallback_chain_is_taken_on_too(stage: Stage) -> None:
    server, other = await stage.server(), await stage.server("llama")
    door = await stage.door(server, environment={"LLM_BASE_URL": other.url})
    await server.stop()
    before = (await door.chat()).status
    fallback = {"enabled": True, "chain": ["ollama"], "models": {"ollama": "llama"}}
    reload(door.listening, lambda: with_fields(door, fallback=fallback))
    assert (before, (await door.chat()).status) == (503, 200)
    assert json.loads((await door.get("/gateway/status")).body)["fallback"]["chain"] == ["ollama"]
