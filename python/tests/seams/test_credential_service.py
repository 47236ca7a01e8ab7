"""`credential_service` as v1's tests use it: its names replaced, its caches looked into."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from unittest.mock import AsyncMock, MagicMock, patch

import pytest

import src.server.services.credential_service as module
from src.errors import ConfigurationError, SecretUnreadable
from src.server.services.credential_service import (
    CredentialItem,
    CredentialService,
    credential_service,
    get_credential,
    set_credential,
)
from src.settings import v1_cipher

from .conftest import Row, setting, supabase_with

OPENAI = setting(
    "OPENAI_API_KEY", None, is_encrypted=True, encrypted_value="ciphertext", category="api_keys", description="key"
)
MODEL = setting("MODEL_CHOICE", "gpt-4.1-nano")


def over(*rows: Row) -> AbstractContextManager[MagicMock]:
    return patch.object(credential_service, "_get_supabase_client", return_value=supabase_with(*rows))


def test_names_that_v1_removed_are_not_back() -> None:
    assert not hasattr(module, "get_credential_sync")
    assert module.create_client.__module__.startswith("supabase")
    assert module.Client.__module__.startswith("supabase")


async def test_a_value_in_the_cache_is_given() -> None:
    credential_service._cache = {"TEST_KEY": "value"}
    credential_service._cache_initialized = True
    assert await get_credential("TEST_KEY", "default") == "value"
    assert await get_credential("MISSING", "default") == "default"


async def test_a_secret_in_the_cache_is_decrypted() -> None:
    credential_service._cache = {"SECRET": {"encrypted_value": "ciphertext", "is_encrypted": True}}
    credential_service._cache_initialized = True
    with patch.object(credential_service, "_decrypt_value", return_value="plain") as decrypt:
        assert await get_credential("SECRET", "default") == "plain"
        decrypt.assert_called_once_with("ciphertext")


async def test_the_cache_has_v1_shapes() -> None:
    with over(OPENAI, MODEL):
        await credential_service.load_all_credentials()
    assert credential_service._cache_initialized is True
    assert credential_service._cache["MODEL_CHOICE"] == "gpt-4.1-nano"
    assert credential_service._cache["OPENAI_API_KEY"] == {
        "encrypted_value": "ciphertext",
        "is_encrypted": True,
        "category": "api_keys",
        "description": "key",
    }
    assert await credential_service.get_encrypted_credential_raw("OPENAI_API_KEY") == "ciphertext"


async def test_a_secret_that_cannot_be_decrypted_gives_the_default() -> None:
    credential_service._cache = {"SECRET": {"encrypted_value": "corrupt", "is_encrypted": True}}
    credential_service._cache_initialized = True
    with patch.object(credential_service, "_decrypt_value", side_effect=Exception("Decryption failed")):
        assert await get_credential("SECRET", "fallback") == "fallback"


async def test_a_stored_value_is_upserted_and_remembered() -> None:
    client = supabase_with(MODEL)
    with patch.object(credential_service, "_get_supabase_client", return_value=client):
        assert await set_credential("NEW_KEY", True, category="features") is True
        assert await get_credential("NEW_KEY") == "true"
    row = {"key": "NEW_KEY", "value": "true", "is_encrypted": False, "category": "features"}
    client.table.return_value.upsert.assert_called_once_with(row, on_conflict="key")


async def test_a_stored_secret_is_encrypted_once_and_never_sent_in_the_clear() -> None:
    client = supabase_with(OPENAI)
    with (
        patch.object(credential_service, "_get_supabase_client", return_value=client),
        patch.object(credential_service, "_encrypt_value", return_value="encrypted") as encrypt,
    ):
        assert await set_credential("SECRET_KEY", "secret_value", is_encrypted=True) is True
    encrypt.assert_called_once_with("secret_value")
    client.table.return_value.upsert.assert_called_once()
    assert "secret_value" not in str(client.mock_calls)
    assert credential_service._cache["SECRET_KEY"] == {
        "encrypted_value": "encrypted",
        "is_encrypted": True,
        "category": None,
        "description": None,
    }


async def test_caches_change_only_after_the_database_said_yes() -> None:
    client = supabase_with(MODEL)
    client.table.return_value.upsert.return_value.execute.side_effect = RuntimeError("disk on fire")
    with patch.object(credential_service, "_get_supabase_client", return_value=client):
        with pytest.raises(RuntimeError):
            await set_credential("MODEL_CHOICE", "other")
        assert await get_credential("MODEL_CHOICE") == "gpt-4.1-nano"


async def test_a_database_that_fails_is_not_an_empty_setting() -> None:
    client = supabase_with()
    client.table.return_value.select.return_value.execute.side_effect = RuntimeError("Database connection failed")
    select = client.table.return_value.select.return_value
    select.eq.return_value.execute.side_effect = RuntimeError("Database connection failed")
    with patch.object(credential_service, "_get_supabase_client", return_value=client):
        for ask in (
            credential_service.load_all_credentials(),
            credential_service.get_credential("X", "default"),
            credential_service.get_credentials_by_category("rag_strategy"),
            credential_service.list_all_credentials(),
            credential_service.get_active_provider("llm"),
        ):
            with pytest.raises(RuntimeError):
                await ask


async def test_a_category_shows_a_secret_as_a_marker_even_when_it_is_empty() -> None:
    empty = setting("GOOGLE_API_KEY", None, is_encrypted=True, category="api_keys", description="g")
    client = supabase_with(empty, MODEL)
    with patch.object(credential_service, "_get_supabase_client", return_value=client):
        found = await credential_service.get_credentials_by_category("api_keys")
    assert found == {
        "GOOGLE_API_KEY": {"value": "[ENCRYPTED]", "is_encrypted": True, "description": "g"},
        "MODEL_CHOICE": "gpt-4.1-nano",
    }
    client.table.return_value.select.return_value.eq.assert_called_once_with("category", "api_keys")


async def test_the_rag_category_is_read_once() -> None:
    client = supabase_with(MODEL)
    with patch.object(credential_service, "_get_supabase_client", return_value=client):
        for _ in range(3):
            await credential_service.get_credentials_by_category("rag_strategy")
        assert client.table.call_count == 1
        await set_credential("CRAWL_BATCH_SIZE", "10", category="rag_strategy")
    assert credential_service._rag_settings_cache is None


async def test_a_list_shows_markers_and_nothing_for_an_empty_place() -> None:
    empty = setting("GOOGLE_API_KEY", None, is_encrypted=True, category="api_keys")
    with over(OPENAI, empty):
        items = await credential_service.list_all_credentials()
    assert items == [
        CredentialItem("OPENAI_API_KEY", "[ENCRYPTED]", None, True, "api_keys", "key"),
        CredentialItem("GOOGLE_API_KEY", None, None, True, "api_keys", None),
    ]


async def test_deleting_what_is_not_there_is_fine() -> None:
    with over():
        assert await credential_service.delete_credential("NOT_THERE") is True


async def test_the_active_provider_has_v1_fields() -> None:
    rows = [OPENAI, MODEL, setting("LLM_PROVIDER", "openai"), setting("EMBEDDING_MODEL", "text-embedding-3-large")]
    with over(*rows), patch.object(credential_service, "_decrypt_value", return_value="sk-plain"):
        assert await credential_service.get_active_provider("llm") == {
            "provider": "openai",
            "api_key": "sk-plain",
            "base_url": None,
            "chat_model": "gpt-4.1-nano",
            "embedding_model": "text-embedding-3-large",
        }


async def test_the_active_provider_is_made_of_parts_that_can_be_replaced() -> None:
    settings = {"LLM_PROVIDER": "ollama", "LLM_BASE_URL": "http://localhost:11434", "OLLAMA_CHAT_MODEL": "qwen3"}
    with (
        patch.object(credential_service, "get_credentials_by_category", AsyncMock(return_value=settings)),
        patch.object(credential_service, "_get_provider_api_key", AsyncMock(return_value="ollama")),
    ):
        found = await credential_service.get_active_provider()
    assert (found["provider"], found["base_url"], found["chat_model"]) == (
        "ollama",
        "http://localhost:11434/v1",
        "qwen3",
    )


@pytest.mark.parametrize("word", ["true", "false", "None", "null", "", 7, None])
async def test_words_that_are_no_provider_mean_the_default(word: object) -> None:
    settings = {"LLM_PROVIDER": word, "EMBEDDING_PROVIDER": "word2vec"}
    with (
        patch.object(credential_service, "get_credentials_by_category", AsyncMock(return_value=settings)),
        patch.object(credential_service, "_get_provider_api_key", AsyncMock(return_value="sk")),
    ):
        assert (await credential_service.get_active_provider("llm"))["provider"] == "openai"
        assert (await credential_service.get_active_provider("embedding"))["provider"] == "openai"


async def test_vllm_is_active_for_both_services_with_an_address_each() -> None:
    rows = [
        setting("LLM_PROVIDER", "vllm"),
        setting("EMBEDDING_PROVIDER", "vllm"),
        setting("VLLM_BASE_URL", "http://gpu:8000/"),
        setting("VLLM_EMBEDDING_BASE_URL", "http://gpu:8100/v1"),
        setting("VLLM_CHAT_MODEL", "qwen"),
        setting("VLLM_EMBEDDING_MODEL", "minilm"),
        MODEL,
    ]
    with over(*rows):
        chat, embedding = [await credential_service.get_active_provider(name) for name in ("llm", "embedding")]
    assert (chat["base_url"], chat["chat_model"], chat["api_key"]) == ("http://gpu:8000/v1", "qwen", None)
    assert (embedding["base_url"], embedding["embedding_model"]) == ("http://gpu:8100/v1", "minilm")


@pytest.mark.parametrize("address", [None, "", "   ", 5])
async def test_vllm_without_an_address_is_an_error_that_names_the_setting(address: object) -> None:
    settings = {"LLM_PROVIDER": "vllm", "VLLM_BASE_URL": address}
    with (
        patch.object(credential_service, "get_credentials_by_category", AsyncMock(return_value=settings)),
        patch.object(credential_service, "_get_provider_api_key", AsyncMock(return_value=None)),
        pytest.raises(ValueError, match="vLLM") as raised,
    ):
        await credential_service.get_active_provider("llm")
    assert isinstance(raised.value, ConfigurationError)
    assert raised.value.context.field == "VLLM_BASE_URL"


async def test_an_unknown_chat_provider_is_refused_in_v1_words() -> None:
    with over(setting("LLM_PROVIDER", "skynet")), pytest.raises(ValueError, match="Unsupported LLM provider: skynet"):
        await credential_service.get_active_provider("llm")


async def test_a_key_that_cannot_be_opened_is_not_taken_for_no_key() -> None:
    with over(OPENAI, setting("LLM_PROVIDER", "openai")), pytest.raises(SecretUnreadable) as raised:
        await credential_service.get_active_provider("llm")
    assert raised.value.context.field == "OPENAI_API_KEY"


async def test_keys_of_providers_come_by_their_setting() -> None:
    with patch.object(credential_service, "get_credential", AsyncMock(return_value="key")) as get:
        assert await credential_service._get_provider_api_key("openai") == "key"
        assert await credential_service._get_provider_api_key("ollama") == "ollama"
        assert await credential_service._get_provider_api_key("nobody") is None
        get.assert_awaited_once_with("OPENAI_API_KEY")


def test_v1_encryption_goes_there_and_back() -> None:
    stored = credential_service._encrypt_value("sk-1234")
    assert v1_cipher.decrypt(stored, "test") == "sk-1234"
    assert credential_service._decrypt_value(stored) == "sk-1234"
    assert (credential_service._encrypt_value(""), credential_service._decrypt_value("")) == ("", "")
    assert len(credential_service._get_encryption_key()) == 44


def test_the_client_is_made_by_the_replaceable_name() -> None:
    with patch.object(module, "create_client") as create:
        assert CredentialService()._get_supabase_client() is create.return_value
        create.assert_called_once_with("https://test.supabase.co", "test")


async def test_initialize_gives_settings_to_code_that_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    exported: dict[str, str] = {}
    monkeypatch.setattr(module, "export_values", exported.update)
    with over(OPENAI, MODEL), patch.object(credential_service, "_decrypt_value", return_value="sk-plain"):
        await module.initialize_credentials()
    assert exported == {"OPENAI_API_KEY": "sk-plain", "MODEL_CHOICE": "gpt-4.1-nano"}


async def test_plain_values_can_be_had_at_once() -> None:
    with over(OPENAI, MODEL, setting("LLM_BASE_URL", None)):
        await credential_service.load_all_credentials()
    found: Mapping[str, str] = credential_service.get_config_as_env_dict()
    assert found == {"MODEL_CHOICE": "gpt-4.1-nano", "LLM_BASE_URL": ""}
