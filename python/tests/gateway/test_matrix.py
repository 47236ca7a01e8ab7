"""Rows of the fault matrix that are about the gateway's own process, or about what a server is after a restart."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from src.gateway.config import GatewayConfig
from src.gateway.serve import reload
from src.inference.pools import Standing

from .conftest import Stage
from .door import CHAT, STREAM, until
from .faulty import Behaviour, Line, Seen, event, hang, status, stream

CHAT_PATH = "/v1/chat/completions"


@contextmanager
def no_more_files() -> Iterator[None]:
    """This process may open no further file or socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(taken[0]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in taken:
            os.close(one)


async def test_without_free_file_descriptors_it_refuses_and_blames_no_server(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    client = await door.client()
    upstream = next(iter(door.gateway.fleet.servers))
    with no_more_files():
        await client.send("POST", CHAT_PATH, json.dumps(CHAT).encode())
        refused = await client.answer()
        for _ in range(4):
            await door.gateway.fleet._look_again(door.gateway.fleet.servers[upstream])
    await client.send("POST", CHAT_PATH, json.dumps(CHAT).encode())
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (503, "overloaded", "1")
    assert ((await client.answer()).status, upstream.standing, upstream.ejections) == (200, Standing.READY, 0)


async def test_a_process_that_stood_still_cuts_no_stream(stage: Stage) -> None:
    server = await stage.server()

    async def in_two_halves(line: Line, seen: Seen) -> None:
        await line.begin_stream()
        await line.chunk(event("a"))
        await asyncio.sleep(0.1)
        await line.chunk(event("", "stop") + b"data: [DONE]\n\n")
        await line.end()

    server.behaves = in_two_halves
    door = await stage.door(server)
    running = asyncio.create_task(door.stream())
    await until(lambda: len(server.seen) == 1)
    time.sleep(2)  # noqa: ASYNC251 - the event loop stands still: that is what is tested
    await running
    upstream = next(iter(door.gateway.fleet.servers))
    assert ([line["outcome"] for line in door.log], upstream.ejections) == (["complete"], 0)


def slowly(seconds: float) -> Behaviour:
    """Answer after a while."""

    async def behave(line: Line, seen: Seen) -> None:
        await asyncio.sleep(seconds)
        await line.answer(200, b'{"choices":[{"finish_reason":"stop"}]}')

    return behave


async def test_a_server_ten_times_slower_gets_a_small_share_and_stays_in(stage: Stage) -> None:
    slow, quick = await stage.server(), await stage.server()
    slow.behaves, quick.behaves = slowly(0.3), slowly(0.03)
    door = await stage.door(slow, quick)

    async def person() -> list[int]:
        return [(await door.chat()).status for _ in range(8)]

    statuses = await asyncio.gather(*(person() for _ in range(6)))
    assert {one for answers in statuses for one in answers} == {200}
    assert len(slow.seen) * 3 < len(quick.seen)
    assert [up.ejections for up in door.gateway.fleet.servers] == [0, 0]


async def test_a_client_that_leaves_a_large_embedding_request_stops_all_its_parts(stage: Stage) -> None:
    server = await stage.server("e", "embed")
    door = await stage.door(server, pool={"split_inputs": 2})
    server.behaves = hang
    client = await door.client()
    body = {"model": "e", "input": [str(number) for number in range(20)]}
    await client.send("POST", "/v1/embeddings", json.dumps(body).encode())
    await until(lambda: len(server.seen) >= 2)
    client.leave()
    await until(lambda: not any(up.outstanding for up in door.gateway.fleet.servers), 0.5)
    assert len(server.seen) == 2


async def test_another_context_length_under_the_same_name_is_found_out(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    server.models = {"m": 512}
    route = door.gateway.fleet
    await until(lambda: route.servers and next(iter(route.servers)).served.models == {"m": 512})  # type: ignore[union-attr]
    [row] = json.loads((await door.get("/v1/models")).body)["data"]
    assert row["max_model_len"] == 512


def vectors(*numbers: float) -> Behaviour:
    """Embed everything as this vector."""

    async def behave(line: Line, seen: Seen) -> None:
        rows = [{"index": 0, "object": "embedding", "embedding": list(numbers)}]
        await line.answer(200, json.dumps({"object": "list", "model": "e", "data": rows}).encode())

    return behave


async def test_a_server_with_other_vectors_under_the_same_name_gets_no_requests(stage: Stage) -> None:
    one, other = await stage.server("e", "embed"), await stage.server("e", "embed")
    one.behaves, other.behaves = vectors(1.0, 0.0), vectors(0.0, 1.0)
    door = await stage.door(one)
    reload(door.listening, lambda: _with(door.gateway.config, one.url, other.url))
    foreign = next(up for up in door.gateway.fleet.servers if up.name.endswith(str(other.port)))
    await until(lambda: foreign.standing is Standing.WRONG)
    answers = [await door.ask("/v1/embeddings", {"model": "e", "input": "x"}) for _ in range(3)]
    assert [json.loads(answer.body)["data"][0]["embedding"] for answer in answers] == [[1.0, 0.0]] * 3
    assert "other vectors" in str(foreign.last_error)


async def test_a_server_with_another_vector_size_under_the_same_name_gets_no_requests(stage: Stage) -> None:
    one, other = await stage.server("e", "embed"), await stage.server("e", "embed")
    one.behaves, other.behaves = vectors(1.0, 0.0), vectors(1.0, 0.0, 0.0)
    door = await stage.door(one)
    reload(door.listening, lambda: _with(door.gateway.config, one.url, other.url))
    foreign = next(up for up in door.gateway.fleet.servers if up.name.endswith(str(other.port)))
    await until(lambda: foreign.standing is Standing.WRONG)
    assert "3 numbers, not 2" in str(foreign.last_error)


def _with(config: GatewayConfig, *urls: str) -> GatewayConfig:
    fields = config.model_dump()
    fields["pools"][0]["upstreams"] = [{"url": url} for url in urls]
    return GatewayConfig.model_validate(fields)


async def test_keys_change_on_reload_while_a_stream_runs(stage: Stage) -> None:
    server = await stage.server()
    go = asyncio.Event()

    async def held(line: Line, seen: Seen) -> None:
        await line.begin_stream()
        await line.chunk(event("a"))
        await go.wait()
        await line.chunk(event("", "stop") + b"data: [DONE]\n\n")
        await line.end()

    server.behaves = held
    door = await stage.door(server, keys=[{"name": "old", "key": "the-old-key"}])
    running = asyncio.create_task(door.ask(CHAT_PATH, STREAM, {"Authorization": "Bearer the-old-key"}))
    await until(lambda: len(server.seen) == 1)
    fields = door.gateway.config.model_dump() | {"keys": [{"name": "new", "key": "the-new-key"}]}
    reload(door.listening, lambda: GatewayConfig.model_validate(fields))
    go.set()
    codes = [
        (await door.get("/v1/models", {"Authorization": f"Bearer the-{one}-key"})).status for one in ("old", "new")
    ]
    assert ((await running).body.endswith(b"[DONE]\n\n"), codes) == (True, [401, 200])


async def test_four_times_the_capacity_is_refused_early_and_never_multiplied(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = slowly(0.05)
    door = await stage.door(server, pool={"max_outstanding": 4, "queue": 4, "queue_s": 1.0})
    answers = await asyncio.gather(*(door.chat() for _ in range(32)))
    codes = [answer.status for answer in answers]
    assert (codes.count(200) >= 8, set(codes) <= {200, 429, 503}, len(server.seen)) == (True, True, codes.count(200))


async def test_an_outage_is_not_multiplied_by_retries(stage: Stage) -> None:
    servers = [await stage.server() for _ in range(2)]
    for one in servers:
        one.behaves = status(500)
    door = await stage.door(*servers, retries={"burst": 4, "share": 0.2}, discovery={"failures_to_eject": 1000})
    await asyncio.gather(*(door.chat() for _ in range(60)))
    assert sum(len(one.seen) for one in servers) <= 60 + 4 + 12 + 1


async def test_a_stream_in_flight_of_one_byte_chunks_is_whole(stage: Stage) -> None:
    server = await stage.server()
    whole = event("héllo ✓") + event("", "stop") + b"data: [DONE]\n\n"
    server.behaves = stream(*(whole[at : at + 1] for at in range(len(whole))))
    door = await stage.door(server)
    answer = await door.stream()
    assert (answer.body, door.log[0]["outcome"]) == (whole, "complete")
