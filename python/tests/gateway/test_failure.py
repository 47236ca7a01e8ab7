"""A server that fails: another one answers while the client has not seen a byte; the error is honest otherwise."""

from __future__ import annotations

import asyncio

import pytest

from .conftest import Stage
from .door import CHAT, SOON, STREAM, until
from .faulty import (
    NOT_FOUND,
    Behaviour,
    answers,
    chat_answer,
    event,
    good,
    hang,
    raw,
    reset,
    status,
    stream,
)

BUSY = b'{"error":{"message":"The engine is currently busy.","type":"Service Unavailable","param":null,"code":503}}'
BROKEN = b'{"error":{"message":"EngineCore encountered an issue.","type":"InternalServerError","code":500}}'
TOO_LONG = (
    b'{"error":{"message":"This model\'s maximum context length is 2048 tokens. However, your prompt contains at least '
    b'2049 input tokens","type":"BadRequestError","param":"input_tokens","code":400}}'
)
NO_TOOLS = b'{"error":{"message":"tool choice requires --enable-auto-tool-choice","type":"BadRequestError","code":400}}'
NO_DIMENSIONS = b'{"error":{"message":"no matryoshka representation","type":"BadRequestError","code":400}}'
ANTHROPIC = b'{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"}}'
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
FAILURES: dict[str, Behaviour] = {
    "reset before the head": reset,
    "500": status(500),
    "502 in HTML": status(502, HTML),
    "503 busy": status(503, BUSY),
    "503 empty": status(503, b""),
    "503 with Retry-After": status(503, BUSY, retry_after="1"),
    "504": status(504, b""),
    "429 with Retry-After": status(429, b'{"error":{"message":"slow down"}}', retry_after="7"),
    "no answer": hang,
    "not HTTP": raw(b"220 smtp ready\r\n\r\n"),
    "half a head": raw(b"HTTP/1.1 200 OK\r\ncontent-ty"),
    "200 with an error": answers(BUSY),
    "200 with HTML": answers(HTML, "text/html"),
    "200 without a body": answers(b""),
    "408": status(408, b""),
    "409": status(409, b""),
    "425": status(425, b""),
    "head, never a body": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n", "hang"),
    "reset inside a JSON body": raw(b'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"id', "reset"),
    "half a JSON body": raw(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"id'),
    "redirect": status(307, b"", location="http://127.0.0.1:9/"),
    "draining": status(500, b'{"error":{"message":"cannot schedule new futures after shutdown","code":500}}'),
}
SILENT = {"no answer", "head, never a body", "head, then nothing", "head, then only comments"}
STREAM_FAILURES: dict[str, Behaviour] = {
    "head, then reset": stream(ending="reset"),
    "head, then nothing": stream(ending="hang"),
    "head, then only comments": stream(b": keep-alive\n\n", ending="hang"),
    "head, then the end": stream(),
    "error as the first event": stream(b"data: " + BUSY + b"\n\n", b"data: [DONE]\n\n"),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("asked", [CHAT, STREAM, {"model": "m", "input": "x"}], ids=["chat", "stream", "embeddings"])
async def test_another_server_answers(stage: Stage, name: str, asked: dict[str, object]) -> None:
    path, kind = ("/v1/embeddings", "embed") if "input" in asked else ("/v1/chat/completions", "chat")
    bad, well = await stage.server(kind=kind), await stage.server(kind=kind)
    door = await stage.door(bad, well, timeouts=SOON if name in SILENT else {})
    bad.behaves = FAILURES[name]
    answers = [await door.ask(path, asked) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert len(bad.seen) >= 1


@pytest.mark.parametrize("name", STREAM_FAILURES)
async def test_a_stream_that_fails_before_its_first_event_is_tried_elsewhere(stage: Stage, name: str) -> None:
    bad, well = await stage.server(), await stage.server()
    door = await stage.door(bad, well, timeouts=SOON if name in SILENT else {})
    bad.behaves = STREAM_FAILURES[name]
    answers = [await door.stream() for _ in range(2)]
    assert [line["outcome"] for line in door.log] == ["complete", "complete"]
    assert [answer.body.count(b'finish_reason":"stop') for answer in answers] == [1, 1]


@pytest.mark.parametrize(
    ("sent", "body", "wanted", "code"),
    [
        (400, TOO_LONG, 400, 400),
        (422, b'{"detail":"nope"}', 400, "provider_bad_request"),
        (400, b'{"detail":"There was an error parsing the body"}', 400, "provider_bad_request"),
        (400, b"Invalid request", 400, "provider_bad_request"),
        (400, NO_TOOLS, 400, 400),
        (400, NO_DIMENSIONS, 400, 400),
        (500, TOO_LONG, 400, "context_length_exceeded"),
        (401, b'{"error":"Unauthorized"}', 502, "provider_authentication"),
        (403, b"", 502, "provider_permission"),
        (413, b"", 400, "provider_bad_request"),
    ],
)
async def test_a_clients_mistake_is_told_at_once_and_not_held_against_the_server(
    stage: Stage, sent: int, body: bytes, wanted: int, code: object
) -> None:
    one, two = await stage.server(), await stage.server()
    one.behaves = two.behaves = status(sent, body)
    door = await stage.door(one, two)
    answers = [await door.chat() for _ in range(6)]
    assert {(answer.status, answer.error["code"]) for answer in answers} == {(wanted, code)}
    assert (len(one.seen) + len(two.seen), [up.ejections for up in door.gateway.fleet.servers]) == (6, [0, 0])


async def test_the_servers_own_words_of_a_refusal_are_kept(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = status(400, TOO_LONG)
    door = await stage.door(server)
    assert (await door.chat()).body == TOO_LONG


async def test_a_refusal_in_anthropics_shape_is_passed_on(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = status(400, ANTHROPIC)
    answer = await (await stage.door(server)).chat()
    assert (answer.status, answer.error["message"]) == (400, "max_tokens: Field required")


async def test_a_missing_route_says_so_in_the_envelope(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = status(404, NOT_FOUND)
    door = await stage.door(server)
    answer = await door.chat()
    assert (answer.status, answer.error["code"]) == (502, "endpoint_not_found")


async def test_all_servers_down_is_a_quick_503_with_retry_after(stage: Stage) -> None:
    one, two = await stage.server(), await stage.server()
    door = await stage.door(one, two)
    await one.stop()
    await two.stop()
    began = asyncio.get_running_loop().time()
    answers = [await door.chat(), await door.stream()]
    assert [(answer.status, answer.headers["retry-after"]) for answer in answers] == [(503, "1"), (503, "1")]
    assert asyncio.get_running_loop().time() - began < 10


async def test_service_is_whole_again_within_two_seconds_of_a_servers_return(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    await server.stop()
    assert (await door.chat()).status == 503
    await server.start()
    await until(lambda: next(iter(door.gateway.fleet.servers)).ready, 2.0)
    assert (await door.chat()).status == 200


async def test_a_server_that_fails_three_times_is_left_out_until_it_works(stage: Stage) -> None:
    bad, well = await stage.server(), await stage.server()
    door = await stage.door(bad, well)
    bad.behaves = status(500)
    for _ in range(12):
        assert (await door.chat()).status == 200
    assert len(bad.seen) == 3
    bad.behaves = good
    await until(lambda: all(up.ready for up in door.gateway.fleet.servers))
    assert any(probe.fields for probe in bad.probes)


async def test_a_server_whose_health_lies_stays_out_until_it_does_some_work(stage: Stage) -> None:
    bad, well = await stage.server(), await stage.server()
    door = await stage.door(bad, well, timeouts=SOON, discovery={"probe_timeout_s": 0.5})
    bad.behaves = hang
    for _ in range(4):
        await door.chat()
    await until(lambda: len([probe for probe in bad.probes if probe.fields]) >= 2)
    assert [up.standing for up in door.gateway.fleet.servers] == ["ejected", "ready"]


async def test_a_server_is_asked_again_when_it_said_to_come_back_at_once(stage: Stage) -> None:
    server = await stage.server()
    server.next = [status(429, b"{}", retry_after="0")]
    door = await stage.door(server)
    assert ((await door.chat()).status, len(server.seen)) == (200, 2)


async def test_a_client_that_leaves_while_the_next_try_waits_gets_none(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = status(429, b"{}", retry_after="30")
    door = await stage.door(server, retries={"longest_wait_s": 60.0})
    asking = asyncio.create_task(door.chat())
    await until(lambda: door.count("retries_total", upstream=server.url[7:]) == 1)
    asking.cancel()
    await until(lambda: len(door.log) == 1)
    assert (door.log[0]["outcome"], len(server.seen), door.gateway.running) == ("cancelled", 1, 0)


@pytest.mark.parametrize("behaviour", [answers(BROKEN), stream(b"data: " + BROKEN + b"\n\n", b"data: [DONE]\n\n")])
async def test_a_200_that_carries_an_error_counts_against_the_server(stage: Stage, behaviour: Behaviour) -> None:
    server = await stage.server()
    server.behaves = behaviour
    door = await stage.door(server, retries={"attempts": 1})
    answer = await door.stream()
    upstream = next(iter(door.gateway.fleet.servers))
    assert (answer.status, answer.error["code"], upstream.failures) == (502, "provider_failure", 1)
    assert await door.metric("upstream_errors_total", upstream=upstream.name, error="provider_failure") == 1


@pytest.mark.parametrize("behaviour", [status(503, BUSY), stream(b"data: " + BUSY + b"\n\n", b"data: [DONE]\n\n")])
async def test_a_full_queue_is_the_same_however_it_is_told_and_no_fault(stage: Stage, behaviour: Behaviour) -> None:
    server = await stage.server()
    server.behaves = behaviour
    door = await stage.door(server, retries={"attempts": 1})
    answer = await door.stream()
    assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "overloaded", "1")
    assert next(iter(door.gateway.fleet.servers)).failures == 0


async def test_a_request_that_no_server_took_may_ask_them_all(stage: Stage) -> None:
    servers = [await stage.server() for _ in range(5)]
    door = await stage.door(*servers, discovery={"refresh_s": 60.0})
    for dead in servers[:4]:
        await dead.stop()
    assert [(await door.chat()).status for _ in range(2)] == [200, 200]


async def test_the_last_server_is_not_left_out_for_answers_of_500(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = status(500)
    door = await stage.door(server)
    assert {(await door.chat()).status for _ in range(5)} == {502}
    server.behaves = good
    assert (await door.chat()).status == 200


async def test_a_busy_server_says_when_to_come_again(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = status(429, b"{}", retry_after="7")
    door = await stage.door(server)
    answer = await door.chat()
    assert (answer.status, answer.headers["retry-after"], len(server.seen)) == (429, "7", 1)


@pytest.mark.parametrize("value", ["0", "garbage", "-5", "99999999", "Wed, 21 Oct 2015 07:28:00 GMT"])
async def test_any_retry_after_is_survived(stage: Stage, value: str) -> None:
    busy, well = await stage.server(), await stage.server()
    busy.behaves = status(503, BUSY, retry_after=value)
    door = await stage.door(busy, well)
    assert [(await door.chat()).status for _ in range(2)] == [200, 200]


async def test_retries_stop_when_the_budget_is_spent(stage: Stage) -> None:
    one, two = await stage.server(), await stage.server()
    door = await stage.door(one, two, retries={"share": 0.2, "burst": 2}, discovery={"failures_to_eject": 1000})
    one.behaves = two.behaves = status(503, BUSY)
    for _ in range(20):
        await door.chat()
    assert len(one.seen) + len(two.seen) <= 20 + 2 + 4


async def test_an_idle_connection_closed_by_the_server_is_replaced_without_an_error(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    for _ in range(3):
        server.next = [
            raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}", "close")
        ]
        assert (await door.chat()).status == 200
        await asyncio.sleep(0)
    assert [line.get("attempts") for line in door.log] == [None, None, None]


async def test_a_server_back_with_another_model_is_found_out(stage: Stage) -> None:
    server = await stage.server("old")
    door = await stage.door(server, discovery={"refresh_s": 60.0})
    server.models = {"new": 4096}
    missing = (
        b'{"error":{"message":"The model `old` does not exist.","type":"NotFoundError","param":"model","code":404}}'
    )
    server.behaves = status(404, missing)
    answer = await door.chat(model="old")
    server.behaves = good
    assert (answer.status, (await door.chat(model="new")).status) == (404, 200)


async def test_a_dead_engine_behind_a_live_port_is_left_out(stage: Stage) -> None:
    server, well = await stage.server(), await stage.server()
    door = await stage.door(server, well)
    server.health = 503
    server.behaves = status(500)
    await until(lambda: not next(iter(door.gateway.fleet.servers)).ready)
    assert {(await door.chat()).status for _ in range(4)} == {200}


async def test_a_slow_answer_is_not_repeated_within_its_time(stage: Stage) -> None:
    server = await stage.server()

    async def slow(line: object, seen: object) -> None:
        await asyncio.sleep(0.25)
        await good(line, seen)  # type: ignore[arg-type]

    server.behaves = slow
    door = await stage.door(server, timeouts={"answer_s": 30.0})
    assert ((await door.chat()).status, len(server.seen)) == (200, 1)


async def test_an_engine_that_hangs_is_504(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = hang
    door = await stage.door(server, timeouts=SOON)
    plain, streamed = await door.chat(), await door.stream()
    assert [plain.status, streamed.status] == [504, 504]
    assert plain.error["code"] == "timeout_first_byte"


async def test_the_gateway_as_its_own_server_is_a_configuration_error(stage: Stage) -> None:
    first = await stage.door(await stage.server())
    table = {"name": "loop", "upstreams": [{"url": f"http://127.0.0.1:{first.port}"}]}
    config = first.gateway.config.model_copy(update={"pools": (type(first.gateway.config.pools[0])(**table),)})
    first.gateway.reload(config)
    await until(lambda: next(iter(first.gateway.fleet.servers)).standing == "wrong")
    health = await first.get("/health")
    assert (health.status, b"loop_detected" in health.body) == (503, True)
    assert (await first.ask("/v1/chat/completions", CHAT)).status == 508


async def test_a_request_that_has_been_here_is_508(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    seen = await stage.server()
    other = await stage.door(seen)
    await other.ask("/v1/chat/completions", STREAM)
    answer = await other.ask("/v1/chat/completions", CHAT, {"Via": seen.seen[0].headers["via"]})
    assert (answer.status, answer.error["code"], door.port != other.port) == (508, "loop_detected", True)


async def test_half_the_answers_failing_in_turn_gets_a_server_out(stage: Stage) -> None:
    bad, well = await stage.server(), await stage.server()
    door = await stage.door(bad, well)
    flapping = [status(500), good] * 20
    bad.next = [*flapping]
    for _ in range(40):
        assert (await door.chat()).status == 200
    assert next(iter(door.gateway.fleet.servers)).ejections >= 1


async def test_a_good_answer_after_trouble_carries_no_trace_of_it(stage: Stage) -> None:
    bad, well = await stage.server(), await stage.server()
    bad.behaves = stream(event("wrong"), ending="reset")
    well.behaves = answers(chat_answer(text="right"))
    door = await stage.door(bad, well)
    answer = await door.chat()
    assert (answer.status, b"wrong" in answer.body) == (200, False)


async def test_a_server_that_has_work_and_produces_nothing_is_passed_over(stage: Stage) -> None:
    hung, well = await stage.server(), await stage.server()
    hung.metrics = b'vllm:num_requests_running{engine="0"} 1.0\nvllm:generation_tokens_total{engine="0"} 7.0\n'
    hung.behaves = hang
    door = await stage.door(hung, well, timeouts={"answer_s": 30}, discovery={"refresh_s": 0.1, "hang_s": 0.4})
    answers = await asyncio.gather(door.chat(), door.chat())
    assert [answer.status for answer in answers] == [200, 200]
    assert b"its engine hangs" in (await door.get("/health")).body


async def test_an_embedding_server_that_only_says_waiting_is_passed_over_too(stage: Stage) -> None:
    hung, well = await stage.server("e", "embed"), await stage.server("e", "embed")
    hung.metrics = b'vllm:num_requests_running{engine="0"} 0.0\nvllm:num_requests_waiting{engine="0"} 1.0\n'
    hung.behaves = hang
    impatient = {"refresh_s": 0.1, "hang_s": 0.4, "probe_timeout_s": 0.5}
    door = await stage.door(hung, well, timeouts={"answer_s": 30}, discovery=impatient)
    asked = [door.ask("/v1/embeddings", {"model": "e", "input": "x"}) for _ in range(2)]
    assert [answer.status for answer in await asyncio.gather(*asked)] == [200, 200]


async def test_a_server_that_works_silently_is_waited_for(stage: Stage) -> None:
    server = await stage.server()
    server.counting = True

    async def slow(line: object, seen: object) -> None:
        await asyncio.sleep(1.0)
        await good(line, seen)  # type: ignore[arg-type]

    server.behaves = slow
    door = await stage.door(server, timeouts={"answer_s": 30}, discovery={"refresh_s": 0.1, "hang_s": 0.4})
    assert ((await door.chat()).status, len(server.seen)) == (200, 1)
