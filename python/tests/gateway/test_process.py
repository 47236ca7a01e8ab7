"""Trouble of the gateway's own process: no file descriptors, an event loop that stands still, a clock that jumps."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from src.inference.pools import Standing

from .conftest import Stage
from .door import CHAT, STREAM, until
from .faulty import Line, Seen, event
from .test_operation import Held

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


async def test_a_clock_that_jumps_a_day_changes_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await stage.server()
    server.behaves = held = Held()
    door = await stage.door(server, keys=[{"name": "a", "key": "a-key", "requests_per_minute": 2}])
    keyed = {"Authorization": "Bearer a-key"}
    running = asyncio.create_task(door.ask(CHAT_PATH, STREAM, keyed))
    await until(lambda: len(server.seen) == 1)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    held.go.set()
    await running
    codes = [(await door.ask(CHAT_PATH, STREAM, keyed)).status for _ in range(2)]
    upstream = next(iter(door.gateway.fleet.servers))
    assert (door.log[0]["outcome"], upstream.ejections, codes) == ("complete", 0, [200, 429])
