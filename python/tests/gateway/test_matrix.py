"""The fault matrix and vLLM's traps, which test holds each, and the rows about load and about servers that changed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from src.gateway.config import GatewayConfig
from src.gateway.serve import reload
from src.inference.pools import Standing

from .conftest import Stage
from .door import STREAM, until
from .faulty import Behaviour, Line, Seen, event, hang, status, stream

CHAT_PATH = "/v1/chat/completions"
MATRIX: dict[str, tuple[str, ...]] = {
    "1 no DNS, refused, unroutable": (
        "test_ways.py::test_a_name_that_does_not_resolve_is_passed_over",
        "test_ways.py::test_a_server_that_accepts_no_connection_is_a_connect_time_out",
        "test_failure.py::test_a_request_that_no_server_took_may_ask_them_all",
        "test_failure.py::test_all_servers_down_is_a_quick_503_with_retry_after",
    ),
    "2 accepted, never answered; headers, never a body": (
        "test_failure.py::test_another_server_answers",
        "test_failure.py::test_a_stream_that_fails_before_its_first_event_is_tried_elsewhere",
        "test_failure.py::test_an_engine_that_hangs_is_504",
    ),
    "3 reset before the head, after it, inside JSON, an event, a character": (
        "test_failure.py::test_another_server_answers",
        "test_streams.py::test_a_broken_stream_ends_with_one_error_event",
        "test_heal.py::test_the_client_sees_one_unbroken_text",
    ),
    "4 clean end without finish_reason": (
        "test_streams.py::test_a_broken_stream_ends_with_one_error_event",
        "test_rules.py::test_a_stream_that_stops_early_is_never_whole",
    ),
    "5 stall": (
        "test_streams.py::test_a_broken_stream_ends_with_one_error_event",
        "test_streams.py::test_comments_do_not_hide_a_stall",
        "test_heal.py::test_comments_do_not_hide_the_stall_of_a_continuation",
    ),
    "6 odd lines, line ends, chunk sizes": (
        "test_streams.py::test_a_malformed_line_is_passed_on_and_counted",
        "test_streams.py::test_an_event_of_a_megabyte_goes_through",
        "test_relay.py::test_events_split_anywhere_arrive_whole_and_complete",
        "test_relay.py::test_windows_line_ends_and_a_missing_last_blank_line_are_tolerated",
        "test_rules.py::test_a_stream_cut_anywhere_is_read_the_same",
    ),
    "7 error inside a 200: first, amid, before [DONE]": (
        "test_failure.py::test_a_stream_that_fails_before_its_first_event_is_tried_elsewhere",
        "test_failure.py::test_a_200_that_carries_an_error_counts_against_the_server",
        "test_streams.py::test_a_broken_stream_ends_with_one_error_event",
    ),
    "8 400s, 404 model, 401, 403, 413, 422": (
        "test_failure.py::test_a_clients_mistake_is_told_at_once_and_not_held_against_the_server",
        "test_failure.py::test_a_server_back_with_another_model_is_found_out",
    ),
    "9 408 to 504, Retry-After of every kind, the budget": (
        "test_failure.py::test_another_server_answers",
        "test_failure.py::test_any_retry_after_is_survived",
        "test_failure.py::test_a_server_is_asked_again_when_it_said_to_come_back_at_once",
        "test_failure.py::test_retries_stop_when_the_budget_is_spent",
        "test_rules.py::test_retries_never_exceed_their_share",
    ),
    "10 the body says other than the status": (
        "test_failure.py::test_a_clients_mistake_is_told_at_once_and_not_held_against_the_server",
        "test_failure.py::test_another_server_answers",
    ),
    "11 slow, flapping, all down, one back": (
        "test_matrix.py::test_a_server_ten_times_slower_gets_a_small_share_and_stays_in",
        "test_failure.py::test_half_the_answers_failing_in_turn_gets_a_server_out",
        "test_failure.py::test_service_is_whole_again_within_two_seconds_of_a_servers_return",
        "test_failure.py::test_the_last_server_is_not_left_out_for_answers_of_500",
        "test_rules.py::test_a_server_is_out_after_three_failures_in_a_row_or_when_half_of_its_answers_fail",
        "test_kill.py::test_service_is_whole_within_two_seconds_of_the_servers_return",
    ),
    "12 the client leaves": (
        "test_streams.py::test_a_client_that_leaves_before_the_answer_stops_the_server",
        "test_streams.py::test_a_client_that_leaves_in_mid_stream_stops_the_server",
        "test_failure.py::test_a_client_that_leaves_while_the_next_try_waits_gets_none",
        "test_matrix.py::test_a_client_that_leaves_a_large_embedding_request_stops_all_its_parts",
        "test_kill.py::test_a_plain_call_whose_client_leaves_frees_the_engine",
    ),
    "13 slow reader, no reader": (
        "test_streams.py::test_a_slow_reader_slows_the_server_and_not_the_others",
        "test_streams.py::test_a_reader_that_never_reads_is_cut_off",
    ),
    "14 a kept connection closed as the request goes out": (
        "test_failure.py::test_an_idle_connection_closed_by_the_server_is_replaced_without_an_error",
        "test_ways.py::test_a_connection_older_than_the_servers_patience_is_not_used_again",
    ),
    "15 back with another model, length, vector size, weights": (
        "test_failure.py::test_a_server_back_with_another_model_is_found_out",
        "test_matrix.py::test_another_context_length_under_the_same_name_is_found_out",
        "test_matrix.py::test_a_server_with_other_vectors_under_the_same_name_gets_no_requests",
        "test_matrix.py::test_a_server_with_another_vector_size_under_the_same_name_gets_no_requests",
    ),
    "16 vectors: number, order, NaN, one text too long (values are checked by Archon's own client)": (
        "test_pools.py::test_an_answer_that_lacks_a_vector_is_fetched_elsewhere",
        "test_pools.py::test_parts_in_another_order_keep_their_places",
        "test_pools.py::test_one_bad_text_of_a_large_request_is_refused_in_the_servers_words",
        "../inference/test_embed.py::test_a_vector_that_must_not_be_stored_is_an_error",
        "../inference/test_embed.py::test_only_the_refused_text_fails_and_its_neighbours_are_stored",
    ),
    "17 TLS: expired, self-signed, wrong name, own authority, our certificate missing": (
        "test_ways.py::test_a_certificate_that_does_not_hold_says_why",
        "test_ways.py::test_a_certificate_of_a_trusted_authority_holds",
        "test_ways.py::test_a_server_that_wants_a_client_certificate_is_known_by_it",
        "test_ways.py::test_authority_and_certificate_of_a_server_stand_in_its_row",
    ),
    "18 redirect, foreign host, header injection, a body of 500 MB": (
        "test_failure.py::test_another_server_answers",
        "test_guards.py::test_a_foreign_host_is_refused",
        "test_guards.py::test_a_body_over_the_limit_is_413_before_it_is_read",
        "test_relay.py::test_an_id_that_could_break_a_header_or_a_log_is_not_taken_on",
        "test_relay.py::test_the_servers_key_goes_to_the_server_and_the_clients_does_not",
    ),
    "19 new configuration, keys, removal under 100 streams; SIGTERM; one process only": (
        "test_reload.py::test_a_hundred_streams_outlive_new_keys_and_the_removal_of_their_server",
        "test_reload.py::test_who_waits_in_line_during_a_reload_is_served_in_turn",
        "test_matrix.py::test_keys_change_on_reload_while_a_stream_runs",
        "test_operation.py::test_draining_ends_streams_whole_and_takes_nothing_new",
        "test_operation.py::test_the_command_reloads_on_sighup_and_drains_on_sigterm",
        "test_operation.py::test_a_second_gateway_at_the_same_port_is_refused",
    ),
    "20 clock jump, no file descriptors, an event loop that stands still": (
        "test_process.py::test_a_clock_that_jumps_a_day_changes_nothing",
        "test_process.py::test_without_free_file_descriptors_it_refuses_and_blames_no_server",
        "test_process.py::test_a_process_that_stood_still_cuts_no_stream",
    ),
    "21 up to four times the capacity": (
        "test_pools.py::test_what_is_too_much_waits_and_is_then_served",
        "test_matrix.py::test_four_times_the_capacity_is_refused_early_and_never_multiplied",
        "test_matrix.py::test_an_outage_is_not_multiplied_by_retries",
    ),
    "every stream ends in exactly one way": ("test_streams.py::test_every_stream_asked_for_has_one_outcome",),
}
TRAPS: dict[int, tuple[str, ...]] = {
    1: ("test_streams.py::test_a_broken_stream_ends_with_one_error_event",),
    2: ("test_streams.py::test_comments_do_not_hide_a_stall",),
    3: ("test_failure.py::test_another_server_answers",),
    4: (
        "test_failure.py::test_a_full_queue_is_the_same_however_it_is_told_and_no_fault",
        "test_pools.py::test_a_full_queue_is_429_with_retry_after",
    ),
    5: (
        "test_failure.py::test_a_clients_mistake_is_told_at_once_and_not_held_against_the_server",
        "test_failure.py::test_a_refusal_in_anthropics_shape_is_passed_on",
    ),
    6: (
        "test_failure.py::test_a_missing_route_says_so_in_the_envelope",
        "test_failure.py::test_a_server_back_with_another_model_is_found_out",
    ),
    7: (
        "test_failure.py::test_a_server_whose_health_lies_stays_out_until_it_does_some_work",
        "test_relay.py::test_probes_only_get_and_post_known_paths",
        "test_rules.py::test_a_server_that_starts_is_asked_twice_a_second",
    ),
    8: ("test_sdk.py::test_an_answer_that_the_context_cuts_short_says_so",),
    10: (
        "test_pools.py::test_a_small_request_is_not_behind_a_large_one",
        "test_pools.py::test_a_large_embedding_request_goes_in_parts_and_comes_back_as_one",
    ),
    11: (
        "test_relay.py::test_only_the_documented_paths_lead_to_a_server",
        "test_guards.py::test_without_a_known_key_everything_is_401",
    ),
    14: (
        "test_ways.py::test_a_connection_older_than_the_servers_patience_is_not_used_again",
        "test_ways.py::test_sixty_four_requests_at_once_are_answered",
    ),
    15: ("test_relay.py::test_the_name_asked_for_is_kept_where_the_server_answers_with_another",),
    19: (
        "test_failure.py::test_a_server_that_works_silently_is_waited_for",
        "test_failure.py::test_a_server_that_has_work_and_produces_nothing_is_passed_over",
    ),
    20: (
        "test_guards.py::test_a_body_over_the_limit_is_413_before_it_is_read",
        "test_guards.py::test_a_flood_of_headers_is_431",
        "test_relay.py::test_two_requests_with_the_same_id_get_two_ids",
    ),
    24: (
        "test_streams.py::test_a_broken_stream_counts_against_the_server_and_in_the_metrics",
        "test_streams.py::test_a_client_that_leaves_before_the_answer_stops_the_server",
        "test_failure.py::test_an_embedding_server_that_only_says_waiting_is_passed_over_too",
    ),
}
HERE = Path(__file__).parent


@pytest.mark.parametrize(("row", "tests"), [*MATRIX.items(), *TRAPS.items()])
def test_the_tests_of_each_row_exist(row: str | int, tests: tuple[str, ...]) -> None:
    gone = [
        test for test in tests if f"def {test.partition('::')[2]}(" not in (HERE / test.partition("::")[0]).read_text()
    ]
    assert gone == [], row


def slowly(seconds: float) -> Behaviour:
    """Answer after a while."""

    async def behave(line: Line, seen: Seen) -> None:
        await asyncio.sleep(seconds)
        await line.answer(200, b'{"choices":[{"finish_reason":"stop"}]}')

    return behave


async def test_a_server_ten_times_slower_gets_a_small_share_and_stays_in(stage: Stage) -> None:
    slow, quick = await stage.server(), await stage.server()
    slow.behaves, quick.behaves = slowly(0.3), slowly(0.03)
    door = await stage.door(slow, quick, timeouts={"answer_s": 30.0})

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
    await until(lambda: not any(up.outstanding for up in door.gateway.fleet.servers), 10)
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
    door = await stage.door(
        server, pool={"max_outstanding": 4, "queue": 4, "queue_s": 5.0}, timeouts={"answer_s": 30.0}
    )
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
