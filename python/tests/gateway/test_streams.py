"""Every stream has one outcome; a broken one ends with an error event, never with silence or an invented end."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from .conftest import Stage
from .door import SOON, STREAM, Client, Door, unmoved, until
from .faulty import DONE, Behaviour, Line, Seen, event, good, hang, status, stream

ERROR = (
    b'data: {"error": {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "code": 500}}\n\n'
)
TWO = (event("a"), event("b"))
BROKEN: dict[str, tuple[Behaviour, str]] = {
    "reset": (stream(*TWO, ending="reset"), "truncated"),
    "end without finish_reason": (stream(*TWO), "truncated"),
    "[DONE] without finish_reason": (stream(*TWO, DONE), "truncated"),
    "closed without the last chunk": (stream(*TWO, ending="close"), "truncated"),
    "reset inside an event": (stream(*TWO, event("half")[:40], ending="reset"), "truncated"),
    "reset inside a character": (
        stream(*TWO, b'data: {"choices":[{"delta":{"content":"\xf0\x9f', ending="reset"),
        "truncated",
    ),
    "error event and [DONE]": (stream(*TWO, ERROR, DONE), "upstream_error"),
    "silence": (stream(*TWO, ending="hang"), "stalled"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_stream_ends_with_one_error_event(stage: Stage, name: str) -> None:
    server = await stage.server()
    server.behaves, outcome = BROKEN[name]
    door = await stage.door(server, timeouts=SOON if outcome == "stalled" else {})
    answer = await door.stream()
    assert (answer.status, answer.ended, answer.body.startswith(b"".join(TWO))) == (200, True, True)
    assert [("error" in event) for event in answer.events] == [False, False, True]
    assert (door.log[0]["outcome"], b"[DONE]" in answer.body, b'finish_reason":"' in answer.body) == (
        outcome,
        False,
        False,
    )


async def test_every_stream_asked_for_has_one_outcome(stage: Stage) -> None:
    server = await stage.server()
    server.next = [good, status(500), stream(*TWO, ending="reset"), stream(*TWO, ERROR, DONE), hang, good]
    door = await stage.door(server, retries={"attempts": 1}, discovery={"failures_to_eject": 1000}, timeouts=SOON)
    for _ in range(len(server.next)):
        await door.stream()
    kinds = Counter(str(line["outcome"]) for line in door.log)
    assert kinds == {"complete": 2, "truncated": 1, "upstream_error": 3}
    assert {kind: door.count("streams_total", outcome=kind) for kind in kinds} == kinds


async def test_a_client_that_leaves_with_the_last_event_has_had_a_whole_stream(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = stream(event("a"), event("", "stop") + DONE, ending="hang")
    door = await stage.door(server)
    client = await _asking(door, streaming=True)
    await client.reader.readuntil(DONE)
    client.leave()
    await until(lambda: len(door.log) == 1)
    assert (door.log[0]["outcome"], door.count("cancelled_total")) == ("complete", 0)


async def test_a_broken_stream_counts_against_the_server_and_in_the_metrics(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = stream(*TWO, ending="reset")
    door = await stage.door(server)
    await door.stream()
    assert await door.metric("streams_truncated_total") == 1
    assert await door.metric("streams_total", outcome="truncated") == 1
    assert next(iter(door.gateway.fleet.servers)).failures == 1


async def test_comments_do_not_hide_a_stall(stage: Stage) -> None:
    server = await stage.server()

    async def comments(line: Line, seen: Seen) -> None:
        await line.begin_stream()
        await line.chunk(event("a"))
        for _ in range(100):
            await line.chunk(b": keep-alive\n\n")
            await asyncio.sleep(0.05)

    server.behaves = comments
    door = await stage.door(server, timeouts=SOON)
    await door.stream()
    assert door.log[0]["outcome"] == "stalled"


async def test_a_malformed_line_is_passed_on_and_counted(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = stream(event("a"), b"dat: oops\n\n", event("", "stop"), DONE)
    door = await stage.door(server)
    await door.stream()
    assert (door.log[0]["outcome"], await door.metric("stream_bad_lines_total")) == ("complete", 1)


async def test_length_is_a_whole_stream(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = stream(event("a"), event("b", "length"), DONE)
    door = await stage.door(server)
    await door.stream()
    assert (door.log[0]["outcome"], door.log[0]["finish_reason"]) == ("complete", "length")


async def test_two_answers_in_one_stream_both_need_their_finish_reason(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = stream(event("a"), event("b", "stop"), DONE)
    door = await stage.door(server)
    await door.stream(n=2)
    assert door.log[0]["outcome"] == "truncated"


async def test_an_event_of_a_megabyte_goes_through(stage: Stage) -> None:
    server = await stage.server()
    text = event("x" * 1_000_000) + event("", "stop") + DONE
    server.behaves = stream(text[:700_000], text[700_000:])
    door = await stage.door(server)
    assert (await door.stream()).body == text


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_client_that_leaves_before_the_answer_stops_the_server(stage: Stage, streaming: bool) -> None:
    server = await stage.server()
    server.behaves = hang
    door = await stage.door(server, timeouts={"first_byte_s": 30, "answer_s": 30})
    client = await _asking(door, streaming=streaming)
    await until(lambda: len(server.seen) == 1)
    client.leave()
    async with asyncio.timeout(10):
        await server.left.wait()
    await until(lambda: len(door.log) == 1)
    assert (door.log[0]["outcome"], door.log[0]["status"]) == ("cancelled", 499)


async def test_a_client_that_leaves_in_mid_stream_stops_the_server(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = stream(event("a"), ending="hang")
    door = await stage.door(server, timeouts={"between_bytes_s": 30})
    client = await _asking(door, streaming=True)
    await client.head()
    client.leave()
    async with asyncio.timeout(10):
        await server.left.wait()
    assert next(iter(door.gateway.fleet.servers)).outstanding == 0


async def test_a_client_that_closes_its_half_stops_the_server(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = hang
    door = await stage.door(server, timeouts={"first_byte_s": 30, "answer_s": 30})
    client = await _asking(door, streaming=False)
    await until(lambda: len(server.seen) == 1)
    client.writer.write_eof()
    async with asyncio.timeout(10):
        await server.left.wait()
    assert len(server.seen) == 1


async def test_nothing_is_retried_for_a_client_that_left(stage: Stage) -> None:
    one, two = await stage.server(), await stage.server()
    one.behaves = two.behaves = hang
    door = await stage.door(one, two)
    client = await _asking(door, streaming=False)
    await until(lambda: len(one.seen) + len(two.seen) == 1)
    client.leave()
    await until(lambda: len(door.log) == 1)
    assert (door.gateway.running, len(one.seen) + len(two.seen), door.count("cancelled_total")) == (0, 1, 1)


async def test_tokens_that_came_for_a_client_that_left_are_counted(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = stream(*[event("x" * 4000) for _ in range(5000)], ending="hang")
    door = await stage.door(server, timeouts={"between_bytes_s": 30})
    client = await _asking(door, streaming=True)
    await client.head()
    await until(lambda: any(front.write_paused for front in door.listening.guests))
    client.leave()
    await until(lambda: len(door.log) == 1)
    assert await door.metric("tokens_after_client_left_total") > 0


async def test_a_slow_reader_slows_the_server_and_not_the_others(stage: Stage) -> None:
    server = await stage.server()
    sent = 0

    async def endless(line: Line, seen: Seen) -> None:
        nonlocal sent
        await line.begin_stream()
        for _ in range(20_000):
            await line.chunk(event("x" * 4000))
            sent += 1

    server.next = [endless]
    door = await stage.door(server, timeouts={"between_bytes_s": 30})
    client = await _asking(door, streaming=True)
    await client.head()
    await until(unmoved(lambda: sent))
    assert (sent < 15_000, (await door.stream()).status) == (True, 200)
    client.leave()


async def test_a_reader_that_never_reads_is_cut_off(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = stream(*[event("x" * 4000) for _ in range(5000)], ending="hang")
    door = await stage.door(server, limits={"unread_s": 0.3})
    client = await _asking(door, streaming=True)
    async with asyncio.timeout(10):
        await server.left.wait()
    await until(lambda: len(door.log) == 1)
    assert (door.log[0]["outcome"], client.port) == ("cancelled", door.port)


async def test_connections_are_kept_and_none_leaks(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server, discovery={"refresh_s": 60})
    before = server.connections
    for _ in range(20):
        await door.stream()
        await door.chat()
    dialer = next(iter(door.gateway.fleet.servers.values())).dialer
    assert (server.connections - before, dialer.open_connections()) == (1, 1)


async def test_old_http_clients_get_a_stream_that_ends_with_the_connection(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    client = await door.client()
    body = json.dumps(STREAM).encode()
    client.writer.write(
        b"POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )
    answer = await client.reader.read()
    assert (b"chunked" in answer, answer.endswith(DONE)) == (False, True)


async def test_requests_sent_at_once_are_answered_in_order(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    client = await door.client()
    for path in ("/health/live", "/version", "/v1/models"):
        await client.send("GET", path)
    bodies = [(await client.answer()).body for _ in range(3)]
    assert [next(iter(json.loads(body))) for body in bodies] == ["status", "version", "object"]


async def test_every_request_leaves_the_gauges_at_zero(stage: Stage) -> None:
    server = await stage.server()
    server.next = [good, hang, stream(*TWO, ending="reset"), good]
    door = await stage.door(server, timeouts=SOON)
    await asyncio.gather(*(door.stream() for _ in range(4)))
    assert (await door.metric("running_requests"), next(iter(door.gateway.fleet.servers)).outstanding) == (0, 0)


async def _asking(door: Door, *, streaming: bool) -> Client:
    client = await door.client()
    body = json.dumps(STREAM | {"stream": streaming}).encode()
    await client.send("POST", "/v1/chat/completions", body)
    return client
