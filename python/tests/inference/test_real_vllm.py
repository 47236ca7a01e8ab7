"""The real paths against real vLLM servers."""

from __future__ import annotations

import math

import pytest

from src.errors import ArchonError, ContextTooLong, EndpointNotFound, ModelNotFound
from src.inference.chat import build_chat_model
from src.inference.check import check
from src.inference.discovery import discover, forget_discoveries
from src.inference.embed import build_embedder
from src.inference.models import ChatMessage, ChatOptions, Outcome, StreamEnd, TextDelta, Vector
from src.inference.provider import ActiveProvider
from src.inference.registry import load_registry
from tests.fakes.chosen import chosen

pytestmark = pytest.mark.real_vllm
GREEDY = ChatOptions(max_tokens=8, temperature=0.0)


@pytest.fixture
def chat(vllm_chat_url: str) -> ActiveProvider:
    forget_discoveries()
    return chosen("llm", VLLM_BASE_URL=vllm_chat_url)


@pytest.fixture
def embedding(vllm_embedding_url: str) -> ActiveProvider:
    forget_discoveries()
    return chosen("embedding", VLLM_BASE_URL=vllm_embedding_url + "/v1/")


async def test_an_answer_streams_and_is_complete(chat: ActiveProvider) -> None:
    model = build_chat_model(chat)
    question = [ChatMessage("user", "What is the capital of France?")]
    items = [item async for item in model.stream(question, GREEDY)]
    assert "Paris" in "".join(item.text for item in items if isinstance(item, TextDelta))
    end = items[-1]
    assert isinstance(end, StreamEnd)
    assert end.outcome is Outcome.COMPLETE
    assert end.usage.prompt_tokens == await model.count_tokens(question)


async def test_the_context_length_comes_from_the_server(chat: ActiveProvider) -> None:
    model = build_chat_model(chat)
    assert await model.max_model_len() == 2048
    assert model.model == "smollm2-135m-instruct"


async def test_a_prompt_over_the_context_is_told(chat: ActiveProvider) -> None:
    with pytest.raises(ContextTooLong, match="2048"):
        [item async for item in build_chat_model(chat).stream([ChatMessage("user", "word " * 3000)], GREEDY)]


async def test_a_limit_above_the_context_is_lowered(chat: ActiveProvider) -> None:
    stream = build_chat_model(chat).stream([ChatMessage("user", "Hi")], ChatOptions(max_tokens=100_000))
    assert isinstance(await anext(stream), TextDelta)
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_name_that_is_not_served_is_told_with_those_that_are(vllm_chat_url: str) -> None:
    active = chosen("llm", VLLM_BASE_URL=vllm_chat_url, VLLM_CHAT_MODEL="gpt-4o")
    with pytest.raises(ModelNotFound) as caught:
        [item async for item in build_chat_model(active).stream([ChatMessage("user", "Hi")], GREEDY)]
    assert "smollm2-135m-instruct" in caught.value.next_step


async def test_the_two_kinds_of_servers_are_told_apart(chat: ActiveProvider, embedding: ActiveProvider) -> None:
    chats = await discover(chat.provider, chat.endpoint)
    embeds = await discover(embedding.provider, embedding.endpoint)
    assert (chats.version, chats.capabilities) == ("0.32.0", frozenset({"chat"}))
    assert embeds.capabilities == frozenset({"embeddings", "rerank"})


async def test_a_chat_address_for_embeddings_is_the_wrong_kind(vllm_chat_url: str) -> None:
    active = chosen("embedding", VLLM_BASE_URL=vllm_chat_url)
    with pytest.raises(EndpointNotFound):
        await build_embedder(active).embed_query("Hi")


async def test_vectors_are_of_the_models_size_and_of_length_one(embedding: ActiveProvider) -> None:
    embedder = build_embedder(embedding)
    identity = await embedder.identity()
    assert (identity.model, identity.dimensions, identity.normalised) == ("all-minilm-l6-v2", 384, True)
    assert math.isclose(math.hypot(*await embedder.embed_query("hello")), 1.0, rel_tol=1e-3)


async def test_meaning_is_near_meaning(embedding: ActiveProvider) -> None:
    embedder = build_embedder(embedding)
    question = await embedder.embed_query("a cat")
    near, far = [one.vector for one in await embedder.embed_passages(["a kitten", "the stock market"])]
    assert near is not None
    assert far is not None
    assert dot(question, near) > dot(question, far)


def dot(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_one_text_too_long_does_not_cost_its_neighbours(embedding: ActiveProvider) -> None:
    texts = ["fine", "word " * 255, "x" * 9000, "also fine"]
    outcomes = await build_embedder(embedding).embed_passages(texts)
    assert [type(one.error) for one in outcomes] == [type(None), ContextTooLong, ContextTooLong, type(None)]


async def test_tokens_near_the_limit_are_counted_exactly(embedding: ActiveProvider) -> None:
    embedder = build_embedder(embedding)
    assert await embedder.max_tokens() == 254
    assert await embedder.count_tokens(["word " * 254, "word " * 255]) == [254, 255]
    assert [one.error for one in await embedder.embed_passages(["word " * 254])] == [None]


async def test_dimensions_are_not_sent_to_a_model_of_one_size(vllm_embedding_url: str) -> None:
    active = chosen("embedding", VLLM_BASE_URL=vllm_embedding_url, EMBEDDING_DIMENSIONS="1536")
    assert len(await build_embedder(active).embed_query("hello")) == 384


async def test_both_checks_are_green(chat: ActiveProvider, embedding: ActiveProvider) -> None:
    vllm = load_registry().get("vllm")
    chatting = await check(vllm, "llm", chat.values)
    embedded = await check(vllm, "embedding", embedding.values)
    assert [finding.message for finding in (*chatting.findings, *embedded.findings) if not finding.ok] == []
    assert (chatting.max_model_len, embedded.max_model_len, embedded.dimensions) == (2048, 256, 384)
    assert not isinstance(chatting.error, ArchonError)
