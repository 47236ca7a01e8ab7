"""What a client may not do, and how it is told."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from src.errors import ConfigurationError

from .conftest import Stage
from .door import CHAT, open_door, until
from .faulty import after

KEYS = [
    {"name": "reader", "key": "key-of-reader"},
    {"name": "hashed", "sha256": hashlib.sha256(b"key-of-hashed").hexdigest()},
]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{nope", None),
        (b"", None),
        (b"[]", None),
        (b"null", None),
        (b'"text"', None),
        (b'{"model": 5, "messages": []}', "model"),
        (b'{"model": ["m"]}', "model"),
        (b"[" * 200_000, None),
        (b'{"model":"m","x":"\xff\xfe"}', None),
    ],
)
async def test_a_body_that_is_no_request_is_400(stage: Stage, body: bytes, param: str | None) -> None:
    server = await stage.server()
    door = await stage.door(server)
    answer = await door.ask("/v1/chat/completions", body)
    assert (answer.status, answer.error["type"], answer.error["param"]) == (400, "invalid_request_error", param)
    assert server.seen == []


async def test_a_lone_surrogate_is_left_to_the_server(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    answer = await door.ask("/v1/chat/completions", b'{"model":"m","x":"\\ud83d"}')
    assert (answer.status, len(server.seen)) == (200, 1)


async def test_a_body_over_the_limit_is_413_before_it_is_read(stage: Stage) -> None:
    door = await stage.door(await stage.server(), limits={"body_bytes": 1000})
    client = await door.client()
    await client.send("POST", "/v1/chat/completions", b"", {"Content-Length": "500000000"})
    answer = await client.answer()
    assert (answer.status, answer.error["code"], answer.headers["connection"]) == (413, "request_too_large", "close")


async def test_a_chunked_body_over_the_limit_is_413(stage: Stage) -> None:
    door = await stage.door(await stage.server(), limits={"body_bytes": 1000})
    client = await door.client()
    client.writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
    client.writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
    assert (await client.answer()).status == 413


async def test_a_flood_of_headers_is_431(stage: Stage) -> None:
    door = await stage.door(await stage.server(), limits={"head_bytes": 4000})
    client = await door.client()
    client.writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n" + b"x-a: b\r\n" * 2000)
    assert (await client.answer()).status == 431


async def test_a_header_without_end_is_431(stage: Stage) -> None:
    door = await stage.door(await stage.server(), limits={"head_bytes": 4000})
    client = await door.client()
    client.writer.write(b"GET /health HTTP/1.1\r\nx: " + b"y" * 9000)
    assert (await client.answer()).status == 431


async def test_a_slow_head_is_408(stage: Stage) -> None:
    door = await stage.door(await stage.server(), limits={"head_s": 0.2})
    client = await door.client()
    client.writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: loc")
    assert (await client.answer()).status == 408


async def test_a_slow_body_is_408(stage: Stage) -> None:
    door = await stage.door(await stage.server(), limits={"body_s": 0.2, "head_s": 0.3})
    client = await door.client()
    await client.send("POST", "/v1/chat/completions", b'{"model"', {"Content-Length": "500"})
    assert (await client.answer()).status == 408


async def test_an_idle_connection_is_closed_silently(stage: Stage) -> None:
    door = await stage.door(await stage.server(), limits={"idle_s": 0.2})
    client = await door.client()
    await client.send("GET", "/health/live")
    await client.answer()
    async with asyncio.timeout(20):
        assert await client.reader.read() == b""


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / SPDY/3\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_what_is_no_plain_request_is_400(stage: Stage, garbage: bytes) -> None:
    door = await stage.door(await stage.server())
    client = await door.client()
    client.writer.write(garbage)
    assert (await client.answer()).status == 400


async def test_expect_100_continue_is_honoured(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    client = await door.client()
    body = json.dumps(CHAT).encode()
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n"
    )
    client.writer.write(head % len(body))
    assert (await client.head())[0] == 100
    client.writer.write(body)
    assert (await client.answer()).status == 200


async def test_a_client_that_offers_http_2_is_answered_over_http_1(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    client = await door.client()
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}
    for _ in range(2):
        await client.send("POST", "/v1/chat/completions", json.dumps(CHAT).encode(), offer)
        assert (await client.answer()).status == 200
    assert [seen.fields for seen in server.seen] == [CHAT, CHAT]


async def test_other_methods_are_405(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    assert (await door.get("/v1/chat/completions")).status == 405
    assert (await door.ask("/v1/models", {})).status == 405


@pytest.mark.parametrize("header", ["Bearer key-of-reader", "bearer key-of-hashed"])
async def test_a_known_key_is_let_in_and_named_in_the_log(stage: Stage, header: str) -> None:
    server = await stage.server()
    door = await stage.door(server, keys=KEYS)
    answer = await door.ask("/v1/chat/completions", CHAT, {"Authorization": header})
    assert (answer.status, "authorization" in server.seen[0].headers) == (200, False)
    assert (door.log[0]["key"], "key-of" in json.dumps(door.log)) == (header.rpartition("-")[2], False)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic key-of-reader"}])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/tokenize", "/score", "/v1/rerank"])
async def test_without_a_known_key_everything_is_401(stage: Stage, headers: dict[str, str], path: str) -> None:
    server = await stage.server()
    door = await stage.door(server, keys=KEYS)
    answer = await door.ask(path, CHAT, headers)
    assert (answer.status, answer.error["code"], server.seen) == (401, "invalid_api_key", [])


async def test_health_needs_no_key_and_models_do(stage: Stage) -> None:
    door = await stage.door(await stage.server(), keys=KEYS)
    assert [(await door.get(path)).status for path in ("/health", "/health/live", "/v1/models")] == [200, 200, 401]


async def test_a_keys_rate_is_limited(stage: Stage) -> None:
    door = await stage.door(await stage.server(), keys=[{"name": "slow", "key": "slow-key", "requests_per_minute": 2}])
    headers = {"Authorization": "Bearer slow-key"}
    answers = [await door.ask("/v1/chat/completions", CHAT, headers) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert 25 <= int(answers[2].headers["retry-after"]) <= 31


async def test_a_keys_requests_at_a_time_are_limited(stage: Stage) -> None:
    server = await stage.server()
    release = asyncio.Event()
    server.behaves = after(release)
    door = await stage.door(server, keys=[{"name": "one", "key": "one-key", "max_concurrent": 1}])
    headers = {"Authorization": "Bearer one-key"}
    first = asyncio.create_task(door.ask("/v1/chat/completions", CHAT, headers))
    await until(lambda: len(server.seen) == 1)
    second = await door.ask("/v1/chat/completions", CHAT, headers)
    release.set()
    assert (second.status, second.error["code"], (await first).status) == (429, "rate_limit_exceeded", 200)


async def test_requests_are_counted_by_key(stage: Stage) -> None:
    door = await stage.door(await stage.server(), keys=[{"name": "a", "key": "a-key", "requests_per_minute": 1}])
    for _ in range(2):
        await door.ask("/v1/chat/completions", CHAT, {"Authorization": "Bearer a-key"})
    assert [door.count("key_requests_total", key="a", status=status) for status in ("200", "429")] == [1, 1]
    assert [line["key"] for line in door.log] == ["a", "a"]


async def test_a_request_refused_unread_has_its_id_in_answer_and_log(stage: Stage) -> None:
    door = await stage.door(await stage.server(), limits={"body_bytes": 10})
    answer = await door.ask("/v1/chat/completions", CHAT)
    [line] = door.log
    ids = (answer.headers["x-request-id"], answer.error["request_id"], line["request_id"])
    assert (len(set(ids)), line["status"], line["error"]) == (1, 413, "request_too_large")


async def test_a_foreign_host_is_refused(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    answer = await door.ask("/v1/chat/completions", CHAT, {"Host": "evil.example"})
    assert (answer.status, answer.error["code"]) == (403, "access_denied")


async def test_a_foreign_origin_is_refused(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    answer = await door.ask("/v1/chat/completions", CHAT, {"Origin": "https://evil.example"})
    assert (answer.status, server.seen) == (403, [])


async def test_listening_beyond_this_machine_needs_a_key(stage: Stage) -> None:
    server = await stage.server()
    with pytest.raises(ConfigurationError, match="API key"):
        await open_door([server.url], host="0.0.0.0")


async def test_the_token_opens_a_gateway_that_listens_beyond_this_machine(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server, host="0.0.0.0", environment={"ARCHON_TOKEN": "long-token"})
    statuses = [
        (await door.ask("/v1/chat/completions", CHAT, headers)).status
        for headers in ({}, {"Authorization": "Bearer long-token"})
    ]
    assert statuses == [401, 200]
