"""`create_embedding` and `create_embeddings_batch` as v1's tests use them: client, model and settings replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from unittest.mock import AsyncMock, MagicMock, patch

import openai
import pytest

import src.server.services.embeddings.embedding_service as module
from src.errors import ConfigurationError, ModelNotFound, RateLimited
from src.server.services.embeddings.embedding_exceptions import (
    EmbeddingAPIError,
    EmbeddingAuthenticationError,
    EmbeddingQuotaExhaustedError,
    EmbeddingRateLimitError,
    EmbeddingValidationError,
)
from src.server.services.embeddings.embedding_service import (
    EmbeddingBatchResult,
    OpenAICompatibleEmbeddingAdapter,
    create_embedding,
    create_embeddings_batch,
)

VECTOR = [0.1] * 1536


def answer(*vectors: list[float]) -> SimpleNamespace:
    return SimpleNamespace(data=[SimpleNamespace(embedding=vector) for vector in vectors])


def rate_limit(message: str) -> openai.RateLimitError:
    return openai.RateLimitError(message, response=MagicMock(), body=None)


@pytest.fixture
def create() -> Iterator[AsyncMock]:
    """`client.embeddings.create` of the client that `get_llm_client` gives."""
    client = MagicMock()
    client.embeddings.create = AsyncMock(side_effect=lambda **given: answer(*[VECTOR] * len(given["input"])))
    with (
        patch.object(module, "get_llm_client") as opened,
        patch.object(module, "get_embedding_model", AsyncMock(return_value="text-embedding-3-small")),
        patch.object(module, "credential_service") as settings,
    ):
        opened.return_value.__aenter__ = AsyncMock(return_value=client)
        opened.return_value.__aexit__ = AsyncMock(return_value=None)
        settings.get_credentials_by_category = AsyncMock(return_value={"EMBEDDING_BATCH_SIZE": "2"})
        settings.get_active_provider = AsyncMock(return_value={"provider": "openai"})
        client.embeddings.create.opened = opened
        client.embeddings.create.settings = settings
        yield client.embeddings.create


async def test_nothing_in_nothing_out(create: AsyncMock) -> None:
    assert await create_embeddings_batch([]) == EmbeddingBatchResult()
    assert create.await_count == 0


async def test_vectors_come_back_as_the_server_sent_them(create: AsyncMock) -> None:
    result = await create_embeddings_batch(["a", "b", "c"])
    assert result.embeddings == [VECTOR] * 3
    assert (result.texts_processed, result.success_count, result.has_failures) == (["a", "b", "c"], 3, False)


async def test_the_client_is_opened_exactly_as_v1_did(create: AsyncMock) -> None:
    await create_embeddings_batch(["a"])
    create.opened.assert_called_once_with(provider="openai", use_embedding_provider=True)
    create.opened.reset_mock()
    await create_embeddings_batch(["a"], provider="ollama")
    create.opened.assert_called_once_with(provider="ollama", use_embedding_provider=True)


async def test_texts_travel_in_batches_of_the_setting(create: AsyncMock) -> None:
    await create_embeddings_batch(["a", "b", "c", 4])  # type: ignore[list-item]
    assert [call.kwargs["input"] for call in create.await_args_list] == [["a", "b"], ["c", "4"]]


@pytest.mark.parametrize(
    ("model", "setting", "expected"),
    [
        ("text-embedding-3-small", None, 1536),
        ("text-embedding-3-large", "256", 256),
        ("text-embedding-3-small", "0", None),
        ("text-embedding-3-small", "-1", None),
        ("text-embedding-ada-002", "512", None),
        ("all-minilm-l6-v2", None, None),
    ],
)
async def test_dimensions_go_only_to_models_known_to_take_them(
    create: AsyncMock, model: str, setting: str | None, expected: int | None
) -> None:
    create.settings.get_credentials_by_category.return_value = {"EMBEDDING_DIMENSIONS": setting}
    with patch.object(module, "get_embedding_model", AsyncMock(return_value=model)):
        await create_embeddings_batch(["a"])
    wanted = {"model": model, "input": ["a"]} | ({"dimensions": expected} if expected else {})
    assert create.await_args.kwargs == wanted


async def test_a_failed_batch_does_not_take_the_others_along(create: AsyncMock) -> None:
    create.side_effect = [answer(VECTOR, VECTOR), Exception("API error on second batch"), answer(VECTOR)]
    result = await create_embeddings_batch(["a", "b", "c", "d", "e"])
    assert result.texts_processed == ["a", "b", "e"]
    assert (result.success_count, result.failure_count, result.total_requested) == (3, 2, 5)
    item = result.failed_items[0]
    assert (item["text"], item["error_type"], item["batch_index"]) == ("c", "EmbeddingAPIError", 1)
    assert "API error on second batch" in str(item["error"])


async def test_batches_are_under_way_at_once(create: AsyncMock) -> None:
    together = asyncio.Barrier(2)

    async def wait_for_the_others(**given: list[str]) -> SimpleNamespace:
        await asyncio.wait_for(together.wait(), timeout=10)
        return answer(*[VECTOR] * len(given["input"]))

    create.side_effect = wait_for_the_others
    assert (await create_embeddings_batch([f"text {n}" for n in range(8)])).success_count == 8


async def test_an_empty_account_stops_everything(create: AsyncMock) -> None:
    create.side_effect = [answer(VECTOR, VECTOR), rate_limit("insufficient_quota: you exceeded your quota")]
    result = await create_embeddings_batch(["a", "b", "c", "d", "e"])
    assert {item["error_type"] for item in result.failed_items} == {"EmbeddingQuotaExhaustedError"}
    assert (result.success_count, result.failure_count, create.await_count) == (2, 3, 2)


async def test_a_rate_limit_is_waited_for(create: AsyncMock, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = AsyncMock()
    monkeypatch.setattr(module.asyncio, "sleep", waited)
    create.side_effect = [rate_limit("slow down"), answer(VECTOR)]
    assert (await create_embeddings_batch(["a"])).success_count == 1
    waited.assert_awaited_once_with(2.0)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (rate_limit("insufficient_quota"), EmbeddingQuotaExhaustedError),
        (rate_limit("too many requests"), EmbeddingRateLimitError),
        (Exception("the separate rate of quota words in a message"), EmbeddingAPIError),
        (openai.AuthenticationError("bad key", response=MagicMock(), body=None), EmbeddingAPIError),
    ],
)
async def test_one_text_raises_by_what_happened_not_by_words(
    create: AsyncMock, monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: type[Exception]
) -> None:
    monkeypatch.setattr(module.asyncio, "sleep", AsyncMock())
    create.side_effect = raised
    with pytest.raises(kind) as caught:
        await create_embedding("text")
    assert type(caught.value) is kind
    assert caught.value.__cause__ is not None


async def test_the_error_carries_the_providers(create: AsyncMock) -> None:
    create.side_effect = openai.NotFoundError(
        "no", response=MagicMock(), body={"message": "The model does not exist", "code": "model_not_found"}
    )
    with pytest.raises(EmbeddingAPIError) as caught:
        await create_embedding("text")
    assert isinstance(caught.value.__cause__, ModelNotFound)
    metadata = caught.value.to_dict()["metadata"]
    assert (metadata["code"], metadata["provider"]) == ("model_not_found", "openai")  # type: ignore[index,call-overload]


async def test_one_vector_too_many_is_dropped_and_one_too_few_is_an_error(create: AsyncMock) -> None:
    create.side_effect = [answer(VECTOR, VECTOR, VECTOR), answer(VECTOR)]
    result = await create_embeddings_batch(["a", "b", "c", "d"])
    assert (result.texts_processed, result.failure_count) == (["a", "b"], 2)


@pytest.mark.parametrize("vector", [[0.0] * 3, [float("nan"), 1.0, 1.0], [float("inf"), 1.0, 1.0], []])
async def test_a_vector_that_cannot_be_used_is_a_failure(create: AsyncMock, vector: list[float]) -> None:
    create.side_effect = [answer(vector)]
    result = await create_embeddings_batch(["a"])
    assert (result.embeddings, result.failure_count) == ([], 1)


async def test_a_configuration_error_is_raised_before_anything_is_sent(create: AsyncMock) -> None:
    create.opened.return_value.__aenter__.side_effect = ConfigurationError("No address")
    with pytest.raises(ConfigurationError):
        await create_embeddings_batch(["a"])
    with pytest.raises(ConfigurationError):
        await create_embedding("a")


async def test_anything_else_before_the_first_request_fails_every_text(create: AsyncMock) -> None:
    create.opened.return_value.__aenter__.side_effect = RuntimeError("boom")
    result = await create_embeddings_batch(["a", "b"])
    assert [item["text"] for item in result.failed_items] == ["a", "b"]


async def test_progress_is_told_in_percent(create: AsyncMock) -> None:
    told = AsyncMock()
    await create_embeddings_batch(["a", "b", "c"], progress_callback=told)
    assert [round(call.args[1]) for call in told.await_args_list] == [67, 100]


async def test_a_limit_that_somebody_puts_in_is_asked(create: AsyncMock) -> None:
    with patch.object(module, "get_threading_service") as threading:
        await create_embeddings_batch(["one two", "three"])
        threading.return_value.rate_limited_operation.assert_called_once_with(3)


@pytest.mark.parametrize("config", [{"provider": 5}, {}, None])
async def test_a_strange_provider_means_the_default(create: AsyncMock, config: object) -> None:
    create.settings.get_active_provider.return_value = config
    await create_embeddings_batch(["a"])
    create.opened.assert_called_once_with(provider="openai", use_embedding_provider=True)


async def test_the_adapter_keeps_the_order_of_the_texts() -> None:
    rows = [SimpleNamespace(index=1, embedding=[2.0]), SimpleNamespace(index=0, embedding=[1.0])]
    client = MagicMock()
    client.embeddings.create = AsyncMock(return_value=SimpleNamespace(data=rows))
    adapter = OpenAICompatibleEmbeddingAdapter(client)
    assert await adapter.create_embeddings(["a", "b"], "m") == [[1.0], [2.0]]
    client.embeddings.create.assert_awaited_once_with(model="m", input=["a", "b"])


def test_exceptions_say_what_v1_said() -> None:
    limited = EmbeddingRateLimitError("slow", text_preview="x" * 300, batch_index=3, retry_count=2)
    assert limited.to_dict() == {
        "error_type": "EmbeddingRateLimitError",
        "message": "slow",
        "text_preview": "x" * 200,
        "batch_index": 3,
        "metadata": {"retry_count": 2},
    }
    assert EmbeddingQuotaExhaustedError("out", tokens_used=7).tokens_used == 7
    assert EmbeddingAPIError("no", original_error=KeyError("k")).metadata["original_error_type"] == "KeyError"
    assert EmbeddingAuthenticationError("no", api_key_prefix="sk-secret").api_key_prefix == "sk-…"
    assert EmbeddingValidationError("no", embedding_sample=[1.0] * 20).embedding_sample == [1.0] * 10
    assert limited.caused_by(RateLimited("slow")).__cause__ is limited.provider_error


async def test_nothing_is_limited_by_itself() -> None:
    service = module.get_threading_service()
    async with service.rate_limited_operation(10_000_000), service.rate_limited_operation(10_000_000):
        pass
    assert await service.run_io_bound(max, 1, 2) == 2
    assert await service.batch_process([1, 2, 3], lambda n: n * 2) == [2, 4, 6]
