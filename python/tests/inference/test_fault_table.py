"""Every way a model server can fail, over a real socket, for chat, stream and embeddings: the right class each time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from src.errors import (
    ArchonError,
    AuthenticationFailed,
    BadRequest,
    ConnectionBroken,
    ContextTooLong,
    EndpointNotFound,
    ErrorContext,
    FirstByteTimeout,
    ModelNotFound,
    Overloaded,
    PermissionRefused,
    ProtocolError,
    QuotaExhausted,
    RateLimited,
    ServerFailure,
    UnsupportedFeature,
)
from src.inference.chat import ProviderChatModel
from src.inference.client import Deadlines, make_client
from src.inference.embed import ProviderEmbedder
from src.inference.models import ChatMessage, ChatOptions
from src.inference.provider import ActiveProvider
from src.inference.retry import NO_RETRIES
from src.inference.sdk_errors import typed_sdk_error
from tests.fakes.chosen import chosen
from tests.fakes.model_server import Answer, ModelServer, Reply, Reset, Silence, Stream

KEY = "sekret-and-long"
JSON = "application/json"
HI: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Hi"}]
PATIENT = Deadlines(connect_s=30.0, first_event_s=30.0, gap_s=30.0, total_s=60.0)
SHORT = Deadlines(connect_s=30.0, first_event_s=0.5, gap_s=30.0, total_s=60.0)
"""For the rows that are about this deadline."""
HTML = b"<!DOCTYPE html><html><head><title>nginx</title></head><body>hi</body></html>"
TOO_LONG = {"message": "This model's maximum context length is 256 tokens.", "param": "input_tokens", "code": 400}
NO_TOOLS = {"message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'}
NO_MODEL = {"message": "The model 'x' does not exist. Valid aliases: a, b.", "type": "NotFoundError", "code": 404}
MATRYOSHKA = {"message": "Model 'm' does not support Matryoshka embeddings; dimensions must be unset"}
FAULTS: dict[str, tuple[Answer, type[ArchonError]]] = {
    "no answer": (Silence(), FirstByteTimeout),
    "reset before the first byte": (Reset(), ConnectionBroken),
    "reset after the first byte": (Stream((b'{"data": [',), end="reset", content_type=JSON), ConnectionBroken),
    "silent in mid-body": (Stream((b'{"data": [',), end="silent", content_type=JSON), FirstByteTimeout),
    "cut in mid-body": (Reply(body=b'{"data": [', cut=True), ConnectionBroken),
    "400": (Reply(400, {"error": {"message": "temperature must be in [0, 2]", "code": 400}}), BadRequest),
    "400 too long": (Reply(400, {"error": TOO_LONG}), ContextTooLong),
    "400 tools": (Reply(400, {"error": NO_TOOLS}), UnsupportedFeature),
    "400 matryoshka": (Reply(400, {"error": MATRYOSHKA}), UnsupportedFeature),
    "401 as vLLM says it": (Reply(401, {"error": "Unauthorized"}), AuthenticationFailed),
    "403": (Reply(403, b"", content_type=""), PermissionRefused),
    "404 no such route": (Reply(404, {"detail": "Not Found"}), EndpointNotFound),
    "404 no such model": (Reply(404, {"error": NO_MODEL}), ModelNotFound),
    "405": (Reply(405, {"detail": "Method Not Allowed"}), EndpointNotFound),
    "413": (Reply(413, HTML, content_type="text/html"), BadRequest),
    "422": (Reply(422, {"error": {"message": "bad field"}}), BadRequest),
    "429": (Reply(429, {"error": "slow down"}, {"retry-after": "90"}), RateLimited),
    "429 without a wait": (Reply(429, {"error": {"message": "slow down"}}), RateLimited),
    "429 empty account": (Reply(429, {"error": {"message": "no", "code": "insufficient_quota"}}), QuotaExhausted),
    "500": (Reply(500, {"error": {"message": "quota of patience", "type": "InternalServerError"}}), ServerFailure),
    "500 too long": (Reply(500, {"error": {"message": "the input is too long for this model"}}), ContextTooLong),
    "501": (Reply(501, {"error": {"message": "no embeddings. Start it with `--embeddings`"}}), UnsupportedFeature),
    "502": (Reply(502, HTML, content_type="text/html"), ConnectionBroken),
    "503": (Reply(503, {"error": {"message": "busy", "code": 503}}), Overloaded),
    "503 empty": (Reply(503, b"", content_type=""), Overloaded),
    "504": (Reply(504, HTML, content_type="text/html"), FirstByteTimeout),
    "a web page": (Reply(200, HTML, content_type="text/html"), ProtocolError),
    "wrong content type": (Reply(200, b'{"a": 1}', content_type="text/plain"), ProtocolError),
    "truncated JSON": (Reply(200, b'{"choices": [{"inde'), ProtocolError),
    "empty body": (Reply(200, b""), ProtocolError),
    "200 with an error": (Reply(200, {"error": {"message": "busy", "code": 503}}), Overloaded),
    "200 with an error in words": (Reply(200, {"error": "the model crashed"}), ServerFailure),
    "redirect elsewhere": (Reply(307, b"", {"location": "http://other.invalid/v1/"}), ProtocolError),
}
SILENT = {"no answer", "silent in mid-body"}
Ask = Callable[[ActiveProvider, Deadlines], Awaitable[object]]


async def plain_chat(active: ActiveProvider, deadlines: Deadlines = PATIENT) -> object:
    url = f"{active.endpoint.base_url}/chat/completions"
    context = ErrorContext(provider=active.provider.id, operation="chat", model="fake-model", url=url)
    async with make_client(active.endpoint, deadlines=deadlines) as client:
        try:
            return await client.chat.completions.create(model="fake-model", messages=HI)
        except (ArchonError, openai.OpenAIError, httpx2.HTTPError, ValueError) as error:
            raise typed_sdk_error(error, context, secrets=(KEY,)) from error


async def streamed_chat(active: ActiveProvider, deadlines: Deadlines = PATIENT) -> object:
    model = ProviderChatModel(active, deadlines=deadlines, policy=NO_RETRIES)
    return [item async for item in model.stream([ChatMessage("user", "Hi")], ChatOptions())]


async def query(active: ActiveProvider, deadlines: Deadlines = PATIENT) -> object:
    return await ProviderEmbedder(active, deadlines=deadlines).embed_query("Hi")


def using(server: ModelServer, ask: Ask, answer: Answer) -> ActiveProvider:
    server.on("/v1/embeddings" if ask is query else "/v1/chat/completions", answer)
    service = "embedding" if ask is query else "llm"
    models = {"VLLM_CHAT_MODEL": "fake-model", "VLLM_EMBEDDING_MODEL": "fake-model"}
    return chosen(service, VLLM_BASE_URL=server.url, VLLM_API_KEY=KEY, **models)


@pytest.mark.parametrize("ask", [plain_chat, streamed_chat, query])
@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_is_its_own_error(server: ModelServer, fault: str, ask: Ask) -> None:
    answer, expected = FAULTS[fault]
    with pytest.raises(expected) as caught:
        await ask(using(server, ask, answer), SHORT if fault in SILENT else PATIENT)
    body = caught.value.to_dict()
    assert {body["provider"], body["model"]} == {"vllm", "fake-model"}
    assert str(body["url"]).startswith(server.url)
    assert body["next_step"]
    assert KEY not in str(body)


@pytest.mark.parametrize("ask", [plain_chat, streamed_chat, query])
async def test_the_key_does_not_follow_a_redirect_to_another_host(server: ModelServer, ask: Ask) -> None:
    server.on("/v1/elsewhere", Reply(200, {}))
    away = server.url.replace("127.0.0.1", "localhost") + "/v1/elsewhere"
    with pytest.raises(ProtocolError, match="not sent"):
        await ask(using(server, ask, Reply(307, b"", {"location": away})), PATIENT)
    assert server.asked("/v1/elsewhere") == []


async def test_a_redirect_within_the_server_is_followed_with_body_and_key(server: ModelServer) -> None:
    server.on("/v1/chat/completions/", Reply(200, {"choices": [], "id": "1", "object": "chat.completion"}))
    await plain_chat(using(server, plain_chat, Reply(307, b"", {"location": "/v1/chat/completions/"})))
    [followed] = server.asked("/v1/chat/completions/")
    assert followed.json()["model"] == "fake-model"
    assert followed.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [429, 200])
async def test_a_refusal_is_still_the_class_that_the_sdk_would_raise(server: ModelServer, status: int) -> None:
    answer = Reply(status, {"error": {"message": "slow down", "code": 429}}, {"retry-after": "7"})
    with pytest.raises(openai.RateLimitError) as caught:
        await plain_chat(using(server, plain_chat, answer))
    assert isinstance(caught.value, RateLimited)
    assert isinstance(caught.value.__cause__, openai.RateLimitError)
    assert caught.value.context.retry_after_s == 7.0
    assert caught.value.status_code == 429


async def test_an_upstream_that_echoes_the_key_does_not_give_it_away(server: ModelServer) -> None:
    answer = Reply(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    with pytest.raises(AuthenticationFailed) as caught:
        await streamed_chat(using(server, streamed_chat, answer))
    assert KEY not in str(caught.value.to_dict()) + str(caught.value)


async def test_names_that_are_served_stand_in_the_next_step(server: ModelServer) -> None:
    with pytest.raises(ModelNotFound) as caught:
        await streamed_chat(using(server, streamed_chat, Reply(404, {"error": NO_MODEL})))
    assert "a, b" in caught.value.next_step


async def test_the_flags_a_server_lacks_stand_in_the_next_step(server: ModelServer) -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        await streamed_chat(using(server, streamed_chat, Reply(400, {"error": NO_TOOLS})))
    assert "--enable-auto-tool-choice --tool-call-parser" in caught.value.next_step
