"""The official SDK and LangChain's OpenAI classes judge the gateway before real vLLM servers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import httpx
import openai
import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from .door import Door, open_door
from .faulty import FaultyServer, event, reset, status, stream

pytestmark = pytest.mark.real_vllm

CHAT = "smollm2-135m-instruct"
EMBEDDING = "all-minilm-l6-v2"
OF_ITS_OWN = re.compile(r'"(id|created)":("[^"]*"|[0-9]+),')
HELLO = [{"role": "user", "content": "Say hello."}]
STREAMED = {"model": CHAT, "max_tokens": 8, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}}
CHAT_ASKED = ("/v1/chat/completions", STREAMED | {"messages": HELLO})
COMPLETION_ASKED = ("/v1/completions", STREAMED | {"prompt": "One two"})
GENEROUS = {
    "timeouts": {"first_byte_s": 60, "between_bytes_s": 60, "answer_s": 60},
    "discovery": {"probe_timeout_s": 20},
}


@pytest.fixture
async def door(vllm_chat_url: str, vllm_embedding_url: str) -> AsyncIterator[Door]:
    """A gateway before both real servers."""
    door = await open_door([vllm_chat_url, vllm_embedding_url], **GENEROUS)
    await door.gateway.fleet.first_look(30)
    yield door
    await door.close()


@pytest.fixture
async def client(door: Door) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official SDK, its own retries off."""
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{door.port}/v1", api_key="none", max_retries=0) as client:
        yield client


async def test_the_sdk_lists_and_retrieves_models(client: openai.AsyncOpenAI) -> None:
    names = {model.id async for model in await client.models.list()}
    assert (names, (await client.models.retrieve(CHAT)).id) == ({CHAT, EMBEDDING}, CHAT)


async def test_the_sdk_chats(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model=CHAT, messages=HELLO, max_tokens=5)
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 5)


async def test_the_sdk_streams_a_chat_with_usage(client: openai.AsyncOpenAI) -> None:
    chunks = [
        chunk
        async for chunk in await client.chat.completions.create(
            model=CHAT, messages=HELLO, max_tokens=5, stream=True, stream_options={"include_usage": True}
        )
    ]
    assert (chunks[-2].choices[0].finish_reason, chunks[-1].usage.completion_tokens) == ("length", 5)


async def test_the_sdk_completes(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model=CHAT, prompt="The capital of France is", max_tokens=4, temperature=0)
    assert "Paris" in answer.choices[0].text


async def test_the_sdk_streams_a_completion(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model=CHAT, prompt="One two", max_tokens=4, stream=True)
    reasons = [chunk.choices[0].finish_reason async for chunk in answer]
    assert reasons[-1] == "length"


async def test_the_sdk_embeds_in_both_formats(client: openai.AsyncOpenAI) -> None:
    default = await client.embeddings.create(model=EMBEDDING, input=["hello world", "good bye"])
    floats = await client.embeddings.create(model=EMBEDDING, input="hello world", encoding_format="float")
    assert [len(row.embedding) for row in default.data] == [384, 384]
    assert floats.data[0].embedding == pytest.approx(default.data[0].embedding, abs=1e-5)


async def test_two_hundred_texts_come_back_in_their_order(client: openai.AsyncOpenAI, vllm_embedding_url: str) -> None:
    texts = [f"item number {number}" for number in range(200)]
    answer = await client.embeddings.create(model=EMBEDDING, input=texts)
    straight = openai.AsyncOpenAI(base_url=f"{vllm_embedding_url}/v1", api_key="none")
    last = await straight.embeddings.create(model=EMBEDDING, input=texts[-1])
    assert [row.index for row in answer.data] == list(range(200))
    assert answer.data[-1].embedding == pytest.approx(last.data[0].embedding, abs=1e-3)


async def test_the_sdk_gets_structured_output(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model=CHAT, messages=HELLO, max_tokens=5, extra_body={"structured_outputs": {"choice": ["yes", "no"]}}
    )
    assert answer.choices[0].message.content in ("yes", "no")


async def test_the_sdk_sees_an_unknown_model(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        await client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")


async def test_the_sdk_sees_a_prompt_that_is_too_long(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": "word " * 3000}])
    assert raised.value.type == "BadRequestError"
    assert raised.value.request_id is not None


async def test_the_sdk_sees_a_chat_for_the_wrong_kind_of_server(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await client.chat.completions.create(model=EMBEDDING, messages=HELLO)
    assert raised.value.code == "unsupported_feature"


async def test_an_answer_that_the_context_cuts_short_says_so(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.with_raw_response.create(model=CHAT, prompt="word " * 2030, max_tokens=500)
    assert answer.headers["x-archon-context-full"] == "1"


async def test_the_sdk_sees_a_wrong_key(vllm_chat_url: str) -> None:
    door = await open_door([vllm_chat_url], keys=[{"name": "a", "key": "right-key"}], **GENEROUS)
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{door.port}/v1", api_key="wrong", max_retries=0
    ) as client:
        with pytest.raises(openai.AuthenticationError) as raised:
            await client.chat.completions.create(model=CHAT, messages=HELLO)
    await door.close()
    assert raised.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("path", "fields", "key"),
    [
        ("/v1/rerank", {"model": EMBEDDING, "query": "a cat", "documents": ["stocks", "a kitten"]}, "results"),
        ("/score", {"model": EMBEDDING, "text_1": "a cat", "text_2": ["a kitten", "stocks"]}, "data"),
        ("/tokenize", {"model": CHAT, "prompt": "Hello world"}, "tokens"),
        ("/tokenize", {"model": EMBEDDING, "prompt": "Hello world"}, "tokens"),
        ("/detokenize", {"model": CHAT, "tokens": [19556, 905]}, "prompt"),
    ],
)
async def test_vllms_own_endpoints_answer(door: Door, path: str, fields: dict[str, object], key: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{door.port}") as client:
        answer = await client.post(path, json=fields)
    assert (answer.status_code, key in answer.json()) == (200, True)


def told(body: str) -> tuple[str, list[object]]:
    """The whole text of a stream, and its events without it; a busy vLLM gives two tokens in one event."""
    text, shapes = "", []
    for line in body.splitlines():
        event = line.removeprefix("data: ")
        shape = event if event == "[DONE]" else json.loads(event) if event else None
        for choice in shape.get("choices", []) if isinstance(shape, dict) else []:
            part = choice.get("delta", choice)
            name = "content" if part is not choice else "text"
            text += part.get(name) or ""
            part[name] = bool(part.get(name))
        if shape is not None and shape not in shapes[-1:]:
            shapes.append(shape)
    return text, shapes


@pytest.mark.parametrize("heal", [False, True])
@pytest.mark.parametrize("asked", [CHAT_ASKED, COMPLETION_ASKED], ids=["chat", "completion"])
async def test_a_stream_through_the_gateway_is_the_stream_of_the_server(
    vllm_chat_url: str, heal: bool, asked: tuple[str, dict[str, object]]
) -> None:
    door = await open_door([vllm_chat_url], pool={"heal": heal}, **GENEROUS)
    path, fields = asked
    texts = []
    for url in (vllm_chat_url, f"http://127.0.0.1:{door.port}"):
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            body = (await client.post(path, json=fields)).text
        texts.append(told(OF_ITS_OWN.sub("", body)))
    await door.close()
    assert texts[0] == texts[1]


async def test_langchain_chats_streams_and_embeds(door: Door) -> None:
    url = f"http://127.0.0.1:{door.port}/v1"
    chat = ChatOpenAI(base_url=url, api_key="none", model=CHAT, max_tokens=5, max_retries=0)
    said = await chat.ainvoke([HumanMessage("Say hello.")])
    streamed = [chunk.content async for chunk in chat.astream([HumanMessage("Say hello.")])]
    embeddings = OpenAIEmbeddings(base_url=url, api_key="none", model=EMBEDDING, check_embedding_ctx_length=False)
    vectors = await embeddings.aembed_documents(["a", "b"])
    assert (bool(said.content), bool("".join(map(str, streamed))), [len(v) for v in vectors]) == (
        True,
        True,
        [384, 384],
    )


async def test_the_sdk_raises_for_a_stream_that_breaks() -> None:
    server = await FaultyServer().start()
    server.behaves = stream(event("a"), event("b"), ending="reset")
    door = await open_door([server.url])
    with pytest.raises(openai.APIError, match="broke off"):
        await _read_stream(door)
    await door.close()
    await server.stop()


async def test_the_sdk_sees_the_error_of_servers_that_fail() -> None:
    server = await FaultyServer().start()
    door = await open_door([server.url])
    server.behaves = status(500)
    with pytest.raises(openai.InternalServerError) as failed:
        await _read_stream(door)
    server.behaves = reset
    with pytest.raises(openai.InternalServerError) as broken:
        await _read_stream(door)
    await door.close()
    await server.stop()
    assert [failed.value.status_code, broken.value.code] == [502, "connection_broken"]


async def _read_stream(door: Door) -> None:
    url = f"http://127.0.0.1:{door.port}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        async for _ in await client.chat.completions.create(model="m", messages=HELLO, stream=True):
            pass
