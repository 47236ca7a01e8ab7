"""The traps of vLLM that concern a client, by their numbers in the report on its behaviour, and who holds each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from src.errors import BadRequest
from src.inference.chat import build_chat_model
from src.inference.check import check
from src.inference.discovery import forget_discoveries
from src.inference.embed import build_embedder
from src.inference.models import ChatMessage, ChatOptions, Outcome, StreamEnd
from src.inference.registry import load_registry
from tests.fakes.chosen import chosen
from tests.fakes.model_server import DONE, ModelServer, Reply, Stream, embeddings, token

VLLM = load_registry().get("vllm")
TRAPS: dict[int, tuple[str, ...]] = {
    1: (
        "test_chat_stream.py::test_an_end_without_a_finish_reason_is_never_complete",
        "test_chat_stream.py::test_an_error_inside_the_stream_is_not_an_end",
    ),
    2: (
        "test_chat_stream.py::test_comments_do_not_keep_a_silent_stream_alive",
        "test_chat_stream.py::test_silence_between_tokens_is_a_stall",
    ),
    5: (
        "test_failures.py::test_what_vllm_really_answered_has_its_class",
        "test_failures.py::test_any_json_can_be_read_as_an_error",
    ),
    6: (
        "test_real_vllm.py::test_a_chat_address_for_embeddings_is_the_wrong_kind",
        "test_real_vllm.py::test_a_name_that_is_not_served_is_told_with_those_that_are",
    ),
    7: ("test_traps.py::test_health_is_no_proof_and_head_is_never_asked",),
    8: (
        "test_chat_stream.py::test_usage_and_streaming_are_asked_for_and_the_limit_fits_the_context",
        "test_real_vllm.py::test_a_prompt_over_the_context_is_told",
    ),
    9: (
        "test_real_vllm.py::test_one_text_too_long_does_not_cost_its_neighbours",
        "test_embed.py::test_blank_texts_and_half_characters_are_refused_alone",
        "test_embed.py::test_base64_is_asked_for_and_read_and_no_size_is_sent",
    ),
    12: ("test_traps.py::test_only_fields_that_vllm_knows_are_sent",),
    15: ("test_traps.py::test_the_asked_name_is_kept_where_the_answer_says_another",),
    16: (
        "test_chat_stream.py::test_usage_and_streaming_are_asked_for_and_the_limit_fits_the_context",
        "test_traps.py::test_an_answer_without_usage_is_whole",
    ),
    17: (
        "test_traps.py::test_a_real_server_without_the_tool_flags_says_which",
        "test_check.py::test_tools_that_are_off_are_told_with_the_flags_and_are_no_failure",
    ),
    18: ("test_check.py::test_json_schemas_are_tried_and_never_a_failure",),
    21: ("test_embed.py::test_base64_is_asked_for_and_read_and_no_size_is_sent",),
    22: (
        "test_traps.py::test_a_real_server_says_which_value_is_out_of_range",
        "test_traps.py::test_a_real_server_is_never_asked_for_more_than_four_stops",
    ),
}
KNOWN_TO_CHAT = {"model", "messages", "stream", "stream_options", "max_tokens", "temperature", "stop"}
KNOWN_TO_EMBEDDINGS = {"model", "input", "encoding_format"}
HI = [ChatMessage("user", "Hi")]


@pytest.mark.parametrize(("trap", "test"), [(trap, test) for trap, tests in TRAPS.items() for test in tests])
def test_the_test_of_each_trap_exists(trap: int, test: str) -> None:
    name, _, function = test.partition("::")
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    assert re.search(rf"def {function}\(", text), f"trap {trap} has lost its test"


async def test_health_is_no_proof_and_head_is_never_asked(server: ModelServer) -> None:
    server.on("/health", Reply(200, b""))
    server.on("/v1/chat/completions", Reply(500, {"error": {"message": "EngineCore encountered an issue."}}))
    report = await check(VLLM, "llm", {"VLLM_BASE_URL": server.url})
    assert not report.ok
    assert {request.method for request in server.requests} == {"GET", "POST"}
    assert "/health" not in {request.path for request in server.requests}


async def test_only_fields_that_vllm_knows_are_sent(server: ModelServer) -> None:
    active = chosen("llm", VLLM_BASE_URL=server.url, VLLM_CHAT_MODEL="fake-model")
    options = ChatOptions(max_tokens=5, temperature=0.5, stop=("x",))
    [_ async for _ in build_chat_model(active).stream(HI, options)]
    await build_embedder(chosen("embedding", VLLM_BASE_URL=server.url)).embed_query("word")
    assert set(server.asked("/v1/chat/completions")[0].json()) == KNOWN_TO_CHAT
    assert set(server.asked("/v1/embeddings")[0].json()) == KNOWN_TO_EMBEDDINGS


async def test_the_asked_name_is_kept_where_the_answer_says_another(server: ModelServer) -> None:
    server.on("/v1/embeddings", Reply(body={**embeddings([[1.0, 0.0]]), "model": "first-alias"}))
    embedder = build_embedder(chosen("embedding", VLLM_BASE_URL=server.url, VLLM_EMBEDDING_MODEL="second-alias"))
    assert (await embedder.identity()).model == "second-alias"


async def test_an_answer_without_usage_is_whole(server: ModelServer) -> None:
    server.on("/v1/chat/completions", Stream((token("Hi", "stop"), DONE)))
    active = chosen("llm", VLLM_BASE_URL=server.url, VLLM_CHAT_MODEL="fake-model")
    end = [item async for item in build_chat_model(active).stream(HI, ChatOptions())][-1]
    assert isinstance(end, StreamEnd)
    assert (end.outcome, end.usage.completion_tokens) == (Outcome.COMPLETE, None)


@pytest.mark.real_vllm
async def test_a_real_server_without_the_tool_flags_says_which(vllm_chat_url: str) -> None:
    forget_discoveries()
    report = await check(VLLM, "llm", {"VLLM_BASE_URL": vllm_chat_url})
    tools = next(finding for finding in report.findings if finding.step == "tools")
    assert report.ok
    assert "--enable-auto-tool-choice --tool-call-parser" in str(tools.next_step)


@pytest.mark.real_vllm
async def test_a_real_server_says_which_value_is_out_of_range(vllm_chat_url: str) -> None:
    forget_discoveries()
    model = build_chat_model(chosen("llm", VLLM_BASE_URL=vllm_chat_url))
    with pytest.raises(BadRequest) as caught:
        [_ async for _ in model.stream(HI, ChatOptions(temperature=2.5))]
    assert "temperature" in caught.value.message


@pytest.mark.real_vllm
async def test_a_real_server_is_never_asked_for_more_than_four_stops(vllm_chat_url: str) -> None:
    forget_discoveries()
    model = build_chat_model(chosen("llm", VLLM_BASE_URL=vllm_chat_url))
    options = ChatOptions(max_tokens=2, stop=("a1", "b2", "c3", "d4", "e5"))
    end = [item async for item in model.stream(HI, options)][-1]
    assert isinstance(end, StreamEnd)
    assert end.outcome is Outcome.COMPLETE
