"""What people complain about in other projects, one case each: here it works, or one sentence says what to do.

The numbers are those projects' own issues; the complaint stands beside each.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from src.errors import ConnectionRefused, ContextTooLong
from src.inference.chat import build_chat_model
from src.inference.check import check, offered_models
from src.inference.embed import build_embedder
from src.inference.models import ChatMessage, ChatOptions, Embedder
from src.inference.provider import Service
from src.inference.registry import load_registry
from tests.fakes.chosen import chosen
from tests.fakes.model_server import (
    DONE,
    Answer,
    ModelServer,
    Reply,
    Request,
    Stream,
    default_answer,
    embeddings,
    model_row,
    running,
    token,
)

VLLM = load_registry().get("vllm")
CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
TOOLS_OFF = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
NO_MODEL = {"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}


@dataclass(frozen=True)
class Case:
    """A complaint as a person would meet it: `pasted` is what stands in the address field, `%s` the server's root."""

    complaint: str
    pasted: str = "%s"
    service: Service = "llm"
    answers: tuple[tuple[str, Answer], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    step: str | None = None
    """The step that fails; None: the check is green."""
    says: str = ""
    fix: str = ""


def refusing(word: str, message: str) -> Callable[[Request], Reply | Stream]:
    """400 for a request that holds `word`, else the usual answer."""

    def answer(request: Request) -> Reply | Stream:
        refused = Reply(400, {"error": {"message": message, "type": "BadRequestError", "code": 400}})
        return refused if word in request.json() else default_answer(request)

    return answer


def unserved(request: Request) -> Reply | Stream:
    known = request.json()["model"] == "fake-model"
    return default_answer(request) if known else Reply(404, {"error": NO_MODEL})


CASES = [
    Case("open-webui#12117: 404 for a trailing slash", "%s/v1/"),
    Case("ragflow#9856: …/v1/models pasted", "%s/v1/models", says="Write it as"),
    Case("LibreChat#1626, #7236: /v1/chat/completions pasted", "%s/v1/chat/completions"),
    Case("open-webui#11440: localhost inside a container", "http://127.0.0.1:9", step="connect", says="container"),
    Case("open-webui#1483, #2475: needs /v1 and a key that is not blank", "%s"),
    Case("dify#3149: only 'status code 404' when /v1 is missing", "%s/"),
    Case("OpenManus#770: http//127… accepted and never reached", "http//%s"),
    Case("gpt-researcher#1128: unreachable, no reason shown", "http://no.invalid", step="name", says="spelling"),
    Case("LibreChat#3887, dify: a key demanded by the form of a keyless server", says="fake-model"),
    Case(
        "ragflow#14921: 'API key is invalid' was a 400 on the tool probe",
        answers=((CHAT, refusing("tools", "tools are not supported")),),
        says="Whether tools work could not be found out",
    ),
    Case(
        "vllm#3486, LongBench#102: the served name is not the path",
        answers=((CHAT, unserved),),
        values=(("VLLM_CHAT_MODEL", "/models/fake-model"),),
        step="models",
        fix="fake-model",
    ),
    Case(
        "ogx#405: 'unknown model' from a list of the client's own",
        answers=(("/v1/models", Reply(body={"data": [model_row("My/odd name v7")]})),),
        says="My/odd name v7",
    ),
    Case("dify#11296, onyx#4946: vLLM hidden behind another provider's name", service="embedding"),
    Case(
        "vllm#15465, mem0#3133: 400 'does not support matryoshka' for a `dimensions` nobody asked for",
        service="embedding",
        answers=((EMBED, refusing("dimensions", "Model does not support Matryoshka embeddings")),),
        values=(("EMBEDDING_DIMENSIONS", "1536"),),
        says="never sent",
    ),
    Case(
        "dify#16738: 422 without its reason",
        service="embedding",
        answers=((EMBED, Reply(422, {"error": {"message": "input: bad shape"}})),),
        step="embedding",
        says="input: bad shape",
    ),
    Case(
        "ragflow#6389: HTTP 200 with an error inside",
        service="embedding",
        answers=((EMBED, Reply(200, {"error": {"message": "out of memory"}})),),
        step="embedding",
        says="out of memory",
    ),
    Case(
        "ragflow#3820: 'Fail' although the server said 200",
        service="embedding",
        answers=((EMBED, Reply(200, {"vectors": [[1.0]]})),),
        step="embedding",
    ),
    Case(
        "gpustack#472, #1845: the model's length is unknown to the client",
        service="embedding",
        says="The context holds 128 tokens",
    ),
    Case(
        "vllm#9986, Qwen-Agent#344: tools need a flag of the server",
        answers=((CHAT, refusing("tools", TOOLS_OFF)),),
        says="--enable-auto-tool-choice --tool-call-parser",
    ),
    Case(
        "LibreChat#10377: 'empty response' of a model that reasons",
        answers=((CHAT, Stream((token("", reasoning="hmm"), token("", "length"), DONE))),),
    ),
    Case(
        "openai-python#2356: RemoteProtocolError with a raw trace",
        answers=((CHAT, Stream((token("Hel"),), end="reset")),),
        step="chat",
        says="broke",
    ),
    Case("litellm#31894: embeddings of an address that only chats", service="embedding", step="kind", says="generates"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.complaint)
async def test_it_works_or_one_sentence_says_what_to_do(server: ModelServer, case: Case) -> None:
    if case.step == "kind":
        server.kinds = frozenset({CHAT})
    for route, answer in case.answers:
        server.on(route, answer)
    root = server.url.removeprefix("http://") if case.pasted.startswith("http//") else server.url
    pasted = case.pasted.replace("%s", root)
    report = await check(VLLM, case.service, {"VLLM_BASE_URL": pasted, **dict(case.values)})
    failed = [finding for finding in report.findings if not finding.ok]
    assert [finding.step for finding in failed] == ([case.step] if case.step else [])
    assert all(finding.next_step for finding in failed)
    assert case.says in json.dumps(report.to_dict(), ensure_ascii=False)
    assert not case.fix or case.fix in [*failed[0].fix.values.values()]  # type: ignore[union-attr]


async def test_open_webui_8043_an_empty_list_of_models_without_a_reason() -> None:
    with pytest.raises(ConnectionRefused) as caught:
        await offered_models(VLLM, "llm", {"VLLM_BASE_URL": "http://127.0.0.1:9"})
    assert "container" in caught.value.next_step


async def test_open_webui_1043_and_12443_a_certificate_of_ones_own() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with running(context) as server:
        report = await check(VLLM, "llm", {"VLLM_BASE_URL": server.url})
    assert [(one.step, "SSL_CERT_FILE" in str(one.next_step)) for one in report.findings if not one.ok] == [
        ("tls", True)
    ]


async def test_bifrost_1305_a_connection_that_was_closed_meanwhile(server: ModelServer) -> None:
    embedder = at(server)
    await embedder.embed_query("first")
    await server.close()
    assert len(await embedder.embed_query("second")) == 4


async def test_langchain_30574_litellm_28239_and_local_deep_research_5144_what_is_sent(server: ModelServer) -> None:
    server.on(EMBED, lambda request: Reply(body=embeddings([[1.0, 0.5]] * len(request.json()["input"]))))
    await at(server).embed_passages([f"text {number}" for number in range(1000)])
    bodies = [request.json() for request in server.asked(EMBED)]
    assert {body["encoding_format"] for body in bodies} == {"base64"}
    assert all(isinstance(text, str) for body in bodies for text in body["input"])
    assert max(len(body["input"]) for body in bodies) <= 32


async def test_vllm_19798_and_agent_zero_922_one_text_over_the_models_length(server: ModelServer) -> None:
    outcomes = await at(server).embed_passages(["short", "word " * 4000])
    assert [type(one.error) for one in outcomes] == [type(None), ContextTooLong]


async def test_archon_584_670_673_onyx_6189_and_litellm_31894_embeddings_at_an_address_of_their_own(
    server: ModelServer,
) -> None:
    values = {"VLLM_BASE_URL": "http://127.0.0.1:9", "VLLM_EMBEDDING_BASE_URL": server.url}
    report = await check(VLLM, "embedding", {**values, "EMBEDDING_MODEL": "text-embedding-3-small"})
    assert (report.ok, report.model, report.base_url) == (True, "fake-model", f"{server.url}/v1")


async def test_gpustack_929_and_ogx_4534_a_limit_above_the_context(server: ModelServer) -> None:
    model = build_chat_model(chosen("llm", VLLM_BASE_URL=server.url))
    [_ async for _ in model.stream([ChatMessage("user", "hi")], ChatOptions(max_tokens=100_000))]
    assert server.asked(CHAT)[0].json()["max_tokens"] == 128


HELD_ELSEWHERE = {
    "open-webui#16251, #1166, anything-llm#998: Stop does not stop the GPU": (
        "inference/test_chat_stream.py::test_closing_the_iterator_hangs_up_at_once"
    ),
    "LiteLLM#40404, #36768: a cut stream looks whole": (
        "inference/test_chat_stream.py::test_an_end_without_a_finish_reason_is_never_complete"
    ),
    "LibreChat#12775: reasoning has two names": "inference/test_chat_stream.py::test_both_names_of_reasoning_are_read",
    "kotaemon#395: counted with another model's tokenizer": (
        "inference/test_token_counts.py::test_a_folder_is_the_servers_own_only_on_this_machine"
    ),
    "anything-llm#1291: fewer vectors than texts": (
        "inference/test_embed.py::test_too_few_vectors_fail_the_batch_and_too_many_are_dropped"
    ),
    "dify#12482, open-webui#10153: another vector size": (
        "inference/test_embed.py::test_a_vector_that_must_not_be_stored_is_an_error"
    ),
}


@pytest.mark.parametrize("complaint", HELD_ELSEWHERE)
def test_what_is_held_elsewhere_is_there(complaint: str) -> None:
    name, _, function = HELD_ELSEWHERE[complaint].partition("::")
    text = (Path(__file__).parents[1] / name).read_text(encoding="utf-8")
    assert re.search(rf"def {function}\(", text)


def at(server: ModelServer) -> Embedder:
    return build_embedder(chosen("embedding", VLLM_BASE_URL=server.url, VLLM_EMBEDDING_MODEL="fake-model"))
