"""`get_llm_client` and its neighbours as v1's tests use them: the SDK's constructor is compared exactly."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from unittest.mock import AsyncMock, MagicMock, patch

import openai
import pytest

import src.server.services.llm_provider_service as module
from src.errors import ArchonError, ConfigurationError, ConnectionRefused, RateLimited, StoreUnavailable
from src.server.services.llm_provider_service import (
    extract_json_from_reasoning,
    extract_message_text,
    get_embedding_model,
    get_llm_client,
    is_reasoning_model,
    prepare_chat_completion_params,
)

OLLAMA_DEFAULT = "http://host.docker.internal:11434/v1"


def config(provider: object, **more: object) -> dict[str, object]:
    return {
        "provider": provider,
        "api_key": "sk-test",
        "base_url": None,
        "chat_model": "m",
        "embedding_model": "e",
        **more,
    }


@pytest.fixture
def settings() -> Iterator[MagicMock]:
    """v1's stand-in for the credential service."""
    service = MagicMock()
    service.get_active_provider = AsyncMock(return_value=config("openai"))
    service.get_credentials_by_category = AsyncMock(return_value={})
    service._get_provider_api_key = AsyncMock(return_value="sk-test")
    service._get_provider_base_url = MagicMock(return_value=None)
    with patch.object(module, "credential_service", service):
        yield service


@pytest.fixture
def constructor() -> Iterator[MagicMock]:
    with patch.object(module.openai, "AsyncOpenAI") as made:
        made.return_value = MagicMock(aclose=AsyncMock())
        yield made


def test_names_that_v1_removed_are_not_back() -> None:
    for name in ("get_llm_client_sync", "get_embedding_model_sync", "_get_active_provider_sync"):
        assert not hasattr(module, name)
    assert inspect.iscoroutinefunction(get_embedding_model)
    assert not inspect.iscoroutinefunction(get_llm_client)
    assert list(inspect.signature(get_llm_client).parameters) == [
        "provider",
        "use_embedding_provider",
        "instance_type",
        "base_url",
    ]


async def test_openai_gets_its_key_and_nothing_else(settings: MagicMock, constructor: MagicMock) -> None:
    async with get_llm_client() as client:
        assert client is constructor.return_value
    constructor.assert_called_once_with(api_key="sk-test")
    settings.get_active_provider.assert_awaited_once_with("llm")
    constructor.return_value.aclose.assert_awaited_once()


async def test_ollama_gets_the_default_address(settings: MagicMock, constructor: MagicMock) -> None:
    settings.get_active_provider.return_value = config("ollama", api_key="ollama", base_url="http://ignored/v1")
    settings.get_credentials_by_category.return_value = MagicMock()
    async with get_llm_client():
        constructor.assert_called_once_with(api_key="ollama", base_url=OLLAMA_DEFAULT)


@pytest.mark.parametrize(
    ("stored", "arguments", "expected"),
    [
        ({"LLM_BASE_URL": "http://a:1"}, {}, "http://a:1/v1"),
        ({"LLM_BASE_URL": "http://a:1/v1"}, {}, "http://a:1/v1"),
        ({"LLM_BASE_URL": "http://a:1/"}, {}, "http://a:1//v1"),
        ({"LLM_BASE_URL": None}, {}, OLLAMA_DEFAULT),
        ({"LLM_BASE_URL": "http://a:1", "OLLAMA_EMBEDDING_URL": "http://e:2"}, {}, "http://a:1/v1"),
        (
            {"LLM_BASE_URL": "http://a:1", "OLLAMA_EMBEDDING_URL": "http://e:2"},
            {"use_embedding_provider": True},
            "http://e:2/v1",
        ),
        ({"OLLAMA_EMBEDDING_URL": "http://e:2"}, {"instance_type": "embedding"}, "http://e:2/v1"),
        ({"LLM_BASE_URL": "http://a:1"}, {"base_url": "http://without-effect"}, "http://a:1/v1"),
    ],
)
async def test_the_address_of_ollama_follows_v1(
    settings: MagicMock,
    constructor: MagicMock,
    stored: dict[str, object],
    arguments: dict[str, object],
    expected: str,
) -> None:
    settings.get_credentials_by_category.return_value = stored
    async with get_llm_client(provider="ollama", **arguments):  # type: ignore[arg-type]
        constructor.assert_called_once_with(api_key="ollama", base_url=expected)


async def test_openai_without_a_key_asks_ollama(settings: MagicMock, constructor: MagicMock) -> None:
    settings.get_active_provider.return_value = config("openai", api_key="  ")
    settings.get_credentials_by_category.side_effect = Exception("Database error")
    async with get_llm_client():
        constructor.assert_called_once_with(api_key="ollama", base_url=OLLAMA_DEFAULT)


async def test_both_failing_is_said_in_v1_words(settings: MagicMock, constructor: MagicMock) -> None:
    settings.get_active_provider.return_value = config("openai", api_key=None)
    constructor.side_effect = Exception("Connection failed")
    with pytest.raises(ValueError, match="OpenAI API key not found and Ollama fallback failed"):
        async with get_llm_client():
            pass


@pytest.mark.parametrize("name", ["unsupported", "", None, 5, "OpenAI"])
async def test_an_unknown_provider_is_refused(settings: MagicMock, constructor: MagicMock, name: object) -> None:
    settings.get_active_provider.return_value = config(name)
    with pytest.raises(ValueError, match="Unsupported LLM provider") as raised:
        async with get_llm_client():
            pass
    assert isinstance(raised.value, ConfigurationError)
    assert constructor.call_count == 0


async def test_an_unknown_named_provider_is_refused_before_anything_is_read(settings: MagicMock) -> None:
    with pytest.raises(ValueError, match="Unsupported LLM provider: nobody"):
        async with get_llm_client(provider="nobody"):
            pass
    assert settings.mock_calls == []


@pytest.mark.parametrize("key", ["x" * 501, "sk-a\nb", "sk-ä"])
async def test_a_key_that_cannot_travel_is_refused(settings: MagicMock, constructor: MagicMock, key: str) -> None:
    settings.get_active_provider.return_value = config("openai", api_key=key)
    with pytest.raises(ValueError, match="key"):
        async with get_llm_client():
            pass
    assert constructor.call_count == 0


async def test_vllm_gets_shared_connections_and_no_retries(settings: MagicMock, constructor: MagicMock) -> None:
    settings.get_active_provider.return_value = config("vllm", api_key=None, base_url="http://gpu:8000")
    async with get_llm_client():
        pass
    given = constructor.call_args.kwargs
    assert (given["base_url"], given["max_retries"], bool(given["api_key"])) == ("http://gpu:8000/v1", 0, True)
    assert {"timeout", "http_client"} <= given.keys()


@pytest.mark.parametrize("address", [None, "", "  ", 7, "http://", "ftp://gpu"])
async def test_vllm_is_never_made_without_an_address(
    settings: MagicMock, constructor: MagicMock, address: object
) -> None:
    settings.get_active_provider.return_value = config("vllm", base_url=address)
    with pytest.raises(ConfigurationError) as raised:
        async with get_llm_client():
            pass
    assert (raised.value.context.field, isinstance(raised.value, ValueError)) == ("VLLM_BASE_URL", True)
    assert constructor.call_count == 0


async def test_a_named_vllm_reads_its_own_settings(settings: MagicMock, constructor: MagicMock) -> None:
    settings._get_provider_base_url.return_value = "http://gpu:8100/v1"
    async with get_llm_client(provider="vllm", use_embedding_provider=True):
        assert constructor.call_args.kwargs["base_url"] == "http://gpu:8100/v1"
    settings._get_provider_base_url.assert_called_once_with("vllm", {}, "embedding")


async def test_the_configuration_is_read_once_in_300_seconds(settings: MagicMock, constructor: MagicMock) -> None:
    for _ in range(3):
        async with get_llm_client(), get_llm_client(use_embedding_provider=True):
            pass
    assert [call.args for call in settings.get_active_provider.await_args_list] == [("llm",), ("embedding",)]
    assert set(module._settings_cache) == {"provider_config_llm", "provider_config_embedding"}
    value, _, checksum = module._settings_cache["provider_config_llm"]
    module._settings_cache["provider_config_llm"] = (value, time.time() - module._CACHE_TTL_SECONDS - 1, checksum)
    assert module._get_cached_settings("provider_config_llm") is None


async def test_a_changed_key_clears_the_cached_configuration() -> None:
    module._set_cached_settings("provider_config_llm", config("openai"))
    with patch.object(module.credential_service, "_get_supabase_client", return_value=MagicMock()):
        await module.credential_service.set_credential("OPENAI_API_KEY", "sk-new", is_encrypted=True)
    assert module._settings_cache == {}


def test_a_cached_value_that_was_changed_is_not_believed() -> None:
    module._set_cached_settings("key", {"a": 1})
    assert module._get_cached_settings("key") == {"a": 1}
    value, _, _ = module._settings_cache["key"]
    value["a"] = 2  # type: ignore[index]
    assert module.get_cache_security_report()["integrity_violations"] == ["key"]
    assert module._get_cached_settings("key") is None


async def test_a_client_that_cannot_be_closed_is_not_an_error(settings: MagicMock, constructor: MagicMock) -> None:
    constructor.return_value.aclose.side_effect = Exception("already closed")
    async with get_llm_client() as client:
        assert client is constructor.return_value


async def test_close_is_used_where_there_is_no_aclose(settings: MagicMock, constructor: MagicMock) -> None:
    constructor.return_value = SimpleNamespace(close=AsyncMock())
    async with get_llm_client():
        pass
    constructor.return_value.close.assert_awaited_once()


async def test_an_sdk_error_leaves_typed_and_as_its_own_class(settings: MagicMock, constructor: MagicMock) -> None:
    original = openai.RateLimitError("slow down", response=MagicMock(), body=None)
    with pytest.raises(openai.RateLimitError) as raised:
        async with get_llm_client():
            raise original
    assert isinstance(raised.value, RateLimited)
    assert raised.value.__cause__ is original
    assert raised.value.context.provider == "openai"


async def test_an_error_of_the_caller_passes_untouched(settings: MagicMock, constructor: MagicMock) -> None:
    mine = KeyError("mine")
    with pytest.raises(KeyError) as raised:
        async with get_llm_client():
            raise mine
    assert raised.value is mine


async def test_json_of_the_caller_is_the_callers_affair(settings: MagicMock, constructor: MagicMock) -> None:
    with pytest.raises(json.JSONDecodeError):
        async with get_llm_client():
            json.loads("{")


async def test_nothing_listening_is_a_typed_error(settings: MagicMock, free_port: int) -> None:
    settings.get_active_provider.return_value = config("vllm", base_url=f"http://127.0.0.1:{free_port}/v1")
    with pytest.raises(ConnectionRefused) as raised:
        async with get_llm_client() as client:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert isinstance(raised.value, openai.APIConnectionError)


async def test_a_stored_embedding_model_wins(settings: MagicMock) -> None:
    settings.get_active_provider.return_value = config("openai", embedding_model="mine")
    assert await get_embedding_model() == "mine"
    settings.get_credentials_by_category.return_value = {"EMBEDDING_MODEL": "theirs"}
    assert await get_embedding_model(provider="ollama") == "theirs"


@pytest.mark.parametrize(
    ("provider", "stored", "expected"),
    [
        ("openai", "", "text-embedding-3-small"),
        ("ollama", None, "nomic-embed-text"),
        ("openai", "x" * 101, "text-embedding-3-small"),
        ("openai", "a\x00b", "text-embedding-3-small"),
        ("nobody", "", "text-embedding-3-small"),
    ],
)
async def test_a_blank_embedding_model_means_the_default(
    settings: MagicMock, provider: str, stored: object, expected: str
) -> None:
    settings.get_active_provider.return_value = config(provider, embedding_model=stored)
    assert await get_embedding_model() == expected


async def test_settings_that_cannot_be_read_mean_v1s_default_name(settings: MagicMock) -> None:
    settings.get_active_provider.side_effect = Exception("Database error")
    assert await get_embedding_model() == "text-embedding-3-small"


async def test_vllm_has_no_default_name(settings: MagicMock, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.get_credentials_by_category.side_effect = StoreUnavailable("gone")
    with pytest.raises(StoreUnavailable):
        await get_embedding_model(provider="vllm")
    settings.get_active_provider.side_effect = StoreUnavailable("gone")
    monkeypatch.setenv("EMBEDDING_PROVIDER", "vllm")
    with pytest.raises(StoreUnavailable):
        await get_embedding_model()


async def test_vllm_keeps_its_own_model_and_not_the_shared_one(settings: MagicMock) -> None:
    settings.get_credentials_by_category.return_value = {
        "EMBEDDING_MODEL": "text-embedding-3-small",
        "VLLM_EMBEDDING_MODEL": "minilm",
    }
    assert await get_embedding_model(provider="vllm") == "minilm"


async def test_a_blank_vllm_model_is_the_one_that_is_served(settings: MagicMock, vllm_embedding_url: str) -> None:
    settings.get_active_provider.return_value = config("vllm", base_url=vllm_embedding_url, embedding_model=" ")
    assert await get_embedding_model() == "all-minilm-l6-v2"


async def test_a_blank_vllm_model_without_a_server_is_an_error(settings: MagicMock, free_port: int) -> None:
    settings.get_active_provider.return_value = config(
        "vllm", base_url=f"http://127.0.0.1:{free_port}", embedding_model=""
    )
    with pytest.raises(ArchonError, match=r"127\.0\.0\.1"):
        await get_embedding_model()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-5", True),
        ("openai/gpt-5:free", True),
        ("openai:o3-mini", True),
        ("openrouter/openai/o1", True),
        ("deepseek/deepseek-r1", True),
        ("gpt-4o", False),
        ("llama3.2:latest", False),
        ("", False),
    ],
)
def test_reasoning_models_are_known_by_name(name: str, expected: bool) -> None:
    assert is_reasoning_model(name) is expected
    assert module.requires_max_completion_tokens(name) is expected


def test_reasoning_models_are_asked_their_way() -> None:
    params: dict[str, object] = {"max_tokens": 5, "temperature": 0.1, "n": 1}
    assert prepare_chat_completion_params("o3", params) == {"max_completion_tokens": 5, "n": 1}
    assert prepare_chat_completion_params("gpt-4o", params) == params
    assert params == {"max_tokens": 5, "temperature": 0.1, "n": 1}


def choice(**message: object) -> SimpleNamespace:
    return SimpleNamespace(message=SimpleNamespace(**message))


def test_an_answer_stays_the_answer_whatever_it_says() -> None:
    said = "Let me think: considering and analyzing the options, examine this. {not json}"
    assert extract_message_text(choice(content=said)) == (said, "", False)


@pytest.mark.parametrize(
    "reasoning",
    ["thought", [{"text": "thought"}], {"content": "thought"}, SimpleNamespace(summary="thought")],
)
def test_reasoning_stands_beside_the_answer_or_for_it(reasoning: object) -> None:
    assert extract_message_text(choice(content="answer", reasoning=reasoning)) == ("answer", "thought", True)
    assert extract_message_text(choice(content=None, reasoning_content=reasoning)) == ("thought", "thought", True)


def test_stand_ins_are_not_taken_for_text() -> None:
    assert extract_message_text(MagicMock()) == ("", "", False)
    assert extract_message_text(None) == ("", "", False)


def test_json_in_reasoning_is_found_or_made() -> None:
    text = 'I think {"a": 1} so {"example_name": "Fetch", "summary": "Gets."} done'
    assert json.loads(extract_json_from_reasoning(text)) == {"example_name": "Fetch", "summary": "Gets."}
    made = json.loads(extract_json_from_reasoning("It reads a file. Then it closes.", "def read_all(f): ...", "python"))
    assert made == {"example_name": "Read all", "summary": "It reads a file. Then it closes."}


async def test_an_instance_says_whether_it_answers(settings: MagicMock, vllm_chat_url: str, free_port: int) -> None:
    settings._get_provider_api_key.return_value = None
    settings._get_provider_base_url.return_value = vllm_chat_url
    found = await module.validate_provider_instance("vllm")
    assert (found["is_available"], found["models_available"], found["error_message"]) == (True, 1, None)
    lost = await module.validate_provider_instance("vllm", f"http://127.0.0.1:{free_port}")
    assert (lost["is_available"], "listen" in str(lost["error_message"])) == (False, True)
