"""Who goes where, who waits, and who is sent away."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest

from .conftest import Stage
from .door import CHAT, until
from .faulty import Line, Seen, after, good, hang


async def test_requests_spread_over_servers_of_one_model(stage: Stage) -> None:
    one, two = await stage.server(), await stage.server()
    door = await stage.door(one, two)
    for _ in range(10):
        await door.chat()
    assert (len(one.seen), len(two.seen)) == (5, 5)


async def test_the_server_with_the_fewest_outstanding_requests_is_chosen(stage: Stage) -> None:
    slow, quick = await stage.server(), await stage.server()
    slow.behaves = hang
    door = await stage.door(slow, quick, timeouts={"answer_s": 30})
    stuck = [asyncio.create_task(door.chat()) for _ in range(2)]
    await until(lambda: len(slow.seen) == 1)
    for _ in range(10):
        await door.chat()
    assert len(slow.seen) == 1
    for task in stuck:
        task.cancel()


async def test_what_is_too_much_waits_and_is_then_served(stage: Stage) -> None:
    server = await stage.server()
    release = asyncio.Event()
    server.behaves = after(release)
    door = await stage.door(server, pool={"max_outstanding": 2}, timeouts={"answer_s": 30})
    tasks = [asyncio.create_task(door.chat()) for _ in range(6)]
    await until(lambda: (door.gateway.fleet.pools[0][0].queued, len(server.seen)) == (4, 2))
    release.set()
    assert [(await task).status for task in tasks] == [200] * 6


async def test_a_full_queue_is_429_with_retry_after(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = hang
    door = await stage.door(server, pool={"max_outstanding": 1, "queue": 1})
    tasks = [asyncio.create_task(door.chat()) for _ in range(2)]
    await until(lambda: door.gateway.fleet.pools[0][0].queued == 1)
    answer = await door.chat()
    assert (answer.status, answer.error["code"], "retry-after" in answer.headers) == (429, "rate_limit_exceeded", True)
    for task in tasks:
        task.cancel()


async def test_a_wait_that_is_too_long_is_503_with_retry_after(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = hang
    door = await stage.door(server, pool={"max_outstanding": 1, "queue_s": 0.1})
    first = asyncio.create_task(door.chat())
    await until(lambda: len(server.seen) == 1)
    answer = await door.chat()
    assert (answer.status, answer.error["code"], "retry-after" in answer.headers) == (503, "overloaded", True)
    first.cancel()


async def test_a_client_that_leaves_the_queue_gives_its_place_up(stage: Stage) -> None:
    server = await stage.server()
    release = asyncio.Event()
    server.behaves = after(release)
    door = await stage.door(server, pool={"max_outstanding": 1})
    first = asyncio.create_task(door.chat())
    await until(lambda: len(server.seen) == 1)
    second = asyncio.create_task(door.chat())
    await until(lambda: door.gateway.fleet.pools[0][0].queued == 1)
    second.cancel()
    await until(lambda: door.gateway.fleet.pools[0][0].queued == 0)
    release.set()
    assert ((await first).status, len(server.seen)) == (200, 1)


@pytest.mark.parametrize("mode", ["session", "prefix"])
async def test_affinity_keeps_a_conversation_on_one_server(stage: Stage, mode: str) -> None:
    servers = [await stage.server() for _ in range(3)]
    door = await stage.door(*servers, pool={"affinity": mode})
    for name in ("anna", "bert", "carl", "dora", "emil", "fred") * 3:
        fields = CHAT | {"messages": [{"role": "user", "content": f"{name if mode == 'prefix' else ''} hello"}]}
        await door.ask("/v1/chat/completions", fields, {"X-Session-Id": name} if mode == "session" else None)
    spread = [
        Counter(str(seen.fields["messages"]) + seen.headers.get("x-session-id", "") for seen in server.seen)
        for server in servers
    ]
    assert sum(len(counter) for counter in spread) == 6
    assert sum(1 for counter in spread if counter) >= 2


async def test_affinity_yields_when_the_preferred_server_is_gone(stage: Stage) -> None:
    servers = [await stage.server() for _ in range(2)]
    door = await stage.door(*servers, pool={"affinity": "session"})
    await door.ask("/v1/chat/completions", CHAT, {"X-Session-Id": "anna"})
    await next(server for server in servers if server.seen).stop()
    assert (await door.ask("/v1/chat/completions", CHAT, {"X-Session-Id": "anna"})).status == 200


async def test_a_large_embedding_request_goes_in_parts_and_comes_back_as_one(stage: Stage) -> None:
    server = await stage.server("e", "embed")
    door = await stage.door(server, pool={"split_inputs": 3})
    answer = await door.ask("/v1/embeddings", {"model": "e", "input": [f"text {number}" for number in range(8)]})
    data = json.loads(answer.body)
    assert [row["index"] for row in data["data"]] == list(range(8))
    assert [len(seen.fields["input"]) for seen in server.seen] == [3, 3, 2]  # type: ignore[arg-type]
    assert data["usage"] == {"prompt_tokens": 8, "total_tokens": 8, "completion_tokens": 0}


async def test_a_small_request_is_not_behind_a_large_one(stage: Stage) -> None:
    server = await stage.server("e", "embed")
    order: list[int] = []

    async def one_at_a_time(line: Line, seen: Seen) -> None:
        async with lock:
            await asyncio.sleep(0.02)
            order.append(len(seen.fields["input"]))  # type: ignore[arg-type]
            await good(line, seen)

    lock = asyncio.Lock()
    server.behaves = one_at_a_time
    door = await stage.door(server, pool={"split_inputs": 4}, timeouts={"answer_s": 30})
    large = asyncio.create_task(door.ask("/v1/embeddings", {"model": "e", "input": ["x"] * 80}))
    await until(lambda: len(order) >= 2)
    await door.ask("/v1/embeddings", {"model": "e", "input": ["y"]})
    assert (order.index(1) < 8, (await large).status) == (True, 200)


@pytest.mark.parametrize("split", [2, 64])
async def test_an_answer_that_lacks_a_vector_is_fetched_elsewhere(stage: Stage, split: int) -> None:
    lacking, well = await stage.server("e", "embed"), await stage.server("e", "embed")

    async def one_too_few(line: Line, seen: Seen) -> None:
        await good(line, replace(seen, fields=seen.fields | {"input": seen.fields["input"][1:]}))  # type: ignore[index]

    lacking.behaves = one_too_few
    door = await stage.door(lacking, well, pool={"split_inputs": split})
    answers = [await door.ask("/v1/embeddings", {"model": "e", "input": list("abcde")}) for _ in range(2)]
    assert [len(json.loads(answer.body)["data"]) for answer in answers] == [5, 5]
    assert door.count("upstream_errors_total", upstream=lacking.url[7:], error="protocol") > 0


async def test_parts_in_another_order_keep_their_places(stage: Stage) -> None:
    server = await stage.server("e", "embed")

    async def backwards(line: Line, seen: Seen) -> None:
        texts = seen.fields["input"]
        assert isinstance(texts, list)
        rows = [{"index": at, "embedding": [float(text)]} for at, text in reversed(list(enumerate(texts)))]
        await line.answer(200, json.dumps({"data": rows, "usage": {"prompt_tokens": 2, "total_tokens": 2}}).encode())

    server.behaves = backwards
    door = await stage.door(server, pool={"split_inputs": 2})
    answer = await door.ask("/v1/embeddings", {"model": "e", "input": list("01234")})
    assert sorted((row["index"], row["embedding"][0]) for row in json.loads(answer.body)["data"]) == [
        (at, float(at)) for at in range(5)
    ]


async def test_one_bad_text_of_a_large_request_is_refused_in_the_servers_words(stage: Stage) -> None:
    server = await stage.server("e", "embed")
    words = b'{"error":{"message":"This model\'s maximum context length is 256.","type":"BadRequestError","code":400}}'

    async def picky(line: Line, seen: Seen) -> None:
        bad = "long" in seen.fields["input"]  # type: ignore[operator]
        await (line.answer(400, words) if bad else good(line, seen))

    server.behaves = picky
    door = await stage.door(server, pool={"split_inputs": 2})
    answer = await door.ask("/v1/embeddings", {"model": "e", "input": ["a", "b", "c", "long", "d"]})
    assert (answer.status, answer.body) == (400, words)
