"""Answers come back as the server wrote them."""

from __future__ import annotations

import json

import pytest

from .conftest import Stage
from .door import CHAT, Door, until
from .faulty import DONE, answers, chat_answer, event, good, stream, whole_stream


async def test_a_plain_answer_is_relayed_byte_for_byte(stage: Stage) -> None:
    server = await stage.server()
    odd = b'{"id": "x",  "choices":[],\n "unknown":{"b":1.50,"a":"\\u00e9"} }'
    server.behaves = answers(odd)
    door = await stage.door(server)
    assert (await door.chat()).body == odd


async def test_a_stream_is_relayed_byte_for_byte(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    answer = await door.stream()
    assert (answer.body, answer.ended) == (b"".join(whole_stream()), True)


async def test_unknown_fields_reach_the_server_unchanged(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    body = b'{"model":"m", "messages":[], "frobnicate": [1.50, null], "temperature":0}'
    await door.ask("/v1/chat/completions", body)
    assert server.seen[0].body == body


async def test_an_alias_is_sent_under_the_servers_own_name(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server, pool={"aliases": {"gpt-4o": "m"}})
    await door.chat(model="gpt-4o", extra={"a": "é"})
    assert server.seen[0].fields == CHAT | {"extra": {"a": "é"}}


async def test_a_request_without_a_model_goes_to_the_default(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    answer = await door.ask("/v1/chat/completions", {"messages": []})
    assert (answer.status, server.seen[0].fields) == (200, {"messages": []})


@pytest.mark.parametrize("named", [{}, {"model": None}, {"model": ""}])
async def test_a_pools_own_default_counts_where_no_model_is_named(stage: Stage, named: dict[str, object]) -> None:
    server = await stage.server("first")
    server.models["second"] = 1024
    door = await stage.door(server, pool={"default_model": "nick", "aliases": {"nick": "second"}})
    answer = await door.ask("/v1/chat/completions", {"messages": []} | named)
    assert (answer.status, server.seen[0].fields["model"]) == (200, "second")


async def test_the_name_asked_for_is_kept_where_the_server_answers_with_another(stage: Stage) -> None:
    server = await stage.server("first")
    server.models["second"] = 1024
    server.behaves = answers(chat_answer(model="first"))
    door = await stage.door(server)
    await door.chat(model="second")
    assert (door.log[0]["model"], door.count("tokens_total", model="second", type="prompt")) == ("second", 7)


async def test_requests_go_to_the_server_that_serves_their_model(stage: Stage) -> None:
    chat, embed = await stage.server("c"), await stage.server("e", "embed")
    door = await stage.door(chat, embed)
    await door.chat(model="c")
    await door.ask("/v1/embeddings", {"model": "e", "input": "x"})
    assert [seen.path for seen in chat.seen + embed.seen] == ["/v1/chat/completions", "/v1/embeddings"]


async def test_a_chat_for_an_embedding_model_is_refused_with_what_it_can_do(stage: Stage) -> None:
    server = await stage.server("e", "embed")
    door = await stage.door(server)
    answer = await door.chat(model="e")
    assert (answer.status, answer.error["code"]) == (400, "unsupported_feature")
    assert "/v1/embeddings" in str(answer.error["message"])


async def test_an_unknown_model_is_404_and_names_those_served(stage: Stage) -> None:
    door = await stage.door(await stage.server("c"))
    answer = await door.chat(model="other")
    assert (answer.status, answer.error["code"], answer.error["param"]) == (404, "model_not_found", "model")
    assert str(answer.error["message"]).endswith("Served for chat: c.")


async def test_the_request_id_runs_through_server_answer_and_log(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    answer = await door.ask("/v1/chat/completions", CHAT, {"X-Request-Id": "trace-123"})
    request_id = answer.headers["x-request-id"]
    assert request_id.startswith("trace-123-")
    assert [server.seen[0].headers["x-request-id"], door.log[0]["request_id"]] == [request_id, request_id]


async def test_an_id_that_could_break_a_header_or_a_log_is_not_taken_on(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    answer = await door.ask("/v1/chat/completions", CHAT, {"X-Request-Id": 'a b"c'})
    assert answer.headers["x-request-id"].startswith("req-")


async def test_two_requests_with_the_same_id_get_two_ids(stage: Stage) -> None:
    door = await stage.door(await stage.server())
    ids = {(await door.ask("/v1/chat/completions", CHAT, {"X-Request-Id": "t"})).headers["x-request-id"] for _ in "ab"}
    assert len(ids) == 2


async def test_events_split_anywhere_arrive_whole_and_complete(stage: Stage) -> None:
    server = await stage.server()
    text = b"".join([event("é🚀"), b": keep-alive\n\n", event("x", "stop"), DONE])
    server.behaves = stream(*[text[at : at + 1] for at in range(len(text))])
    door = await stage.door(server)
    answer = await door.stream()
    assert (answer.body, door.log[0]["outcome"]) == (text, "complete")


async def test_windows_line_ends_and_a_missing_last_blank_line_are_tolerated(stage: Stage) -> None:
    server = await stage.server()
    text = event("x").replace(b"\n", b"\r\n") + event("", "stop").rstrip()
    server.behaves = stream(text)
    door = await stage.door(server)
    answer = await door.stream()
    assert (answer.body, door.log[0]["outcome"]) == (text, "complete")


async def test_the_list_of_models_has_context_lengths_and_aliases(stage: Stage) -> None:
    door = await stage.door(await stage.server("c"), pool={"aliases": {"nick": "c"}})
    rows = json.loads((await door.get("/v1/models")).body)["data"]
    assert [(row["id"], row["max_model_len"], row["parent"]) for row in rows] == [
        ("c", 2048, None),
        ("nick", 2048, "c"),
    ]


async def test_models_of_all_servers_stand_in_one_list_while_one_is_ready(stage: Stage) -> None:
    one, two, other = await stage.server("c"), await stage.server("c"), await stage.server("e", "embed")
    door = await stage.door(one, two, other)
    before = await _listed(door)
    await one.stop()
    await other.stop()
    await until(lambda: [up.ready for up in door.gateway.fleet.servers] == [False, True, False])
    assert (before, await _listed(door)) == (["c", "e"], ["c"])


async def _listed(door: Door) -> list[str]:
    return [row["id"] for row in json.loads((await door.get("/v1/models")).body)["data"]]


async def test_probes_only_get_and_post_known_paths(stage: Stage) -> None:
    server = await stage.server()
    await stage.door(server)
    asked = {(probe.method, probe.path) for probe in server.probes}
    assert {("GET", "/health"), ("GET", "/v1/models"), ("GET", "/version")} <= asked
    assert {method for method, _ in asked} == {"GET", "POST"}
    assert not any(path.endswith("/") for _, path in asked)


async def test_only_the_documented_paths_lead_to_a_server(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server)
    paths = ["/invocations", "/pooling", "/v1/responses", "//v1/chat/completions", "/v1/chat/completions/"]
    statuses = [(await door.ask(path, CHAT)).status for path in paths]
    assert (statuses, server.seen) == ([404] * 5, [])


async def test_the_servers_key_goes_to_the_server_and_the_clients_does_not(stage: Stage) -> None:
    server = await stage.server()
    door = await stage.door(server, pool={"upstreams": [{"url": server.url, "key": "upstream-key"}]})
    await door.ask("/v1/chat/completions", CHAT, {"Authorization": "Bearer client-key", "Cookie": "a=b"})
    headers = server.seen[0].headers
    assert (headers["authorization"], "cookie" in headers) == ("Bearer upstream-key", False)


async def test_tokens_and_times_stand_in_the_log_without_the_prompt(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = answers(chat_answer(text="secret answer"))
    door = await stage.door(server)
    await door.chat(messages=[{"role": "user", "content": "secret prompt"}])
    line = door.log[0]
    assert (line["prompt_tokens"], line["completion_tokens"], line["model"]) == (7, 2, "m")
    assert "secret" not in json.dumps(line)


async def test_the_asked_name_and_the_served_name_are_both_logged(stage: Stage) -> None:
    door = await stage.door(await stage.server(), pool={"aliases": {"nick": "m"}})
    await door.chat(model="nick")
    assert (door.log[0]["model"], door.log[0]["served_model"]) == ("nick", "m")


async def test_a_good_server_is_asked_once(stage: Stage) -> None:
    server = await stage.server()
    server.behaves = good
    door = await stage.door(server)
    await door.chat()
    assert (len(server.seen), door.log[0].get("attempts")) == (1, None)
