"""The seams over the real database and the product's own settings; nothing is replaced here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from src.config import load_environment
from src.errors import ConfigurationError, StoreError
from src.inference.registry import load_registry
from src.server.services.credential_service import credential_service
from src.server.services.embeddings.embedding_service import create_embedding, create_embeddings_batch
from src.server.services.llm_provider_service import _settings_cache, get_embedding_model, get_llm_client
from src.settings import SecretBox, SettingsService
from src.store import settings_rows
from src.store.postgres import PostgresDatabase


@pytest.fixture
def settings(database: PostgresDatabase, tmp_path: Path) -> Iterator[SettingsService]:
    """The product's settings with the seams attached to them."""
    environment = load_environment({"ARCHON_DATA_DIR": str(tmp_path)})
    service = SettingsService(database, SecretBox.of(None, tmp_path), environment, load_registry())
    credential_service.attach(service)
    yield service
    credential_service.detach()


async def use_vllm(settings: SettingsService, chat_url: str, embedding_url: str) -> None:
    await settings.save(
        {
            "LLM_PROVIDER": "vllm",
            "EMBEDDING_PROVIDER": "vllm",
            "VLLM_BASE_URL": chat_url,
            "VLLM_EMBEDDING_BASE_URL": embedding_url,
        }
    )


async def test_a_real_vllm_answers_and_embeds(
    settings: SettingsService, vllm_chat_url: str, vllm_embedding_url: str
) -> None:
    await use_vllm(settings, vllm_chat_url, vllm_embedding_url)
    active = await credential_service.get_active_provider("llm")
    async with get_llm_client() as client:
        model = str(active["chat_model"])
        said = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=3
        )
    assert (model, bool(said.choices)) == ("smollm2-135m-instruct", True)
    assert len(await create_embedding("hello")) == 384


async def test_a_refused_text_does_not_take_its_neighbours_along(
    settings: SettingsService, vllm_chat_url: str, vllm_embedding_url: str
) -> None:
    await use_vllm(settings, vllm_chat_url, vllm_embedding_url)
    texts = [f"text {n}" for n in range(40)]
    texts[7] = "word " * 600
    result = await create_embeddings_batch(texts)
    assert (result.success_count, [item["text"] for item in result.failed_items]) == (39, [texts[7][:200]])
    assert result.failed_items[0]["metadata"]["code"] == "context_too_long"  # type: ignore[index,call-overload]


async def test_a_save_is_heard_by_the_seams_at_once(settings: SettingsService) -> None:
    await settings.save({"LLM_PROVIDER": "vllm", "VLLM_BASE_URL": "http://one:1", "VLLM_CHAT_MODEL": "m"})
    async with get_llm_client() as client:
        assert str(client.base_url) == "http://one:1/v1/"
    await settings.save({"VLLM_BASE_URL": "http://two:2"})
    assert _settings_cache == {}
    async with get_llm_client() as client:
        assert str(client.base_url) == "http://two:2/v1/"


async def test_what_the_seam_stores_the_product_reads(settings: SettingsService, database: PostgresDatabase) -> None:
    await credential_service.set_credential("OPENAI_API_KEY", "sk-abcdefgh", True, "api_keys", "key")
    assert (await settings.active("llm")).endpoint.api_key == "sk-abcdefgh"
    row = next(row for row in await settings_rows.load(database) if row.key == "OPENAI_API_KEY")
    assert (row.value, row.encrypted_value, row.category, str(row.sealed)[:8]) == (None, None, "api_keys", "archon1.")
    credential_service.forget()
    assert await credential_service.get_credential("OPENAI_API_KEY") == "sk-abcdefgh"


async def test_a_secret_can_be_cleared_and_removed(settings: SettingsService, database: PostgresDatabase) -> None:
    await credential_service.set_credential("OPENAI_API_KEY", "sk-abcdefgh", True)
    await credential_service.set_credential("OPENAI_API_KEY", "", True)
    assert await settings_rows.secrets(database) == []
    await credential_service.set_credential("OPENAI_API_KEY", "sk-abcdefgh", True)
    assert await credential_service.delete_credential("OPENAI_API_KEY") is True
    assert await settings_rows.load(database) == []


async def test_a_secret_that_becomes_a_plain_value_is_no_longer_sealed(
    settings: SettingsService, database: PostgresDatabase
) -> None:
    await credential_service.set_credential("SOMETHING", "hidden", True)
    await credential_service.set_credential("SOMETHING", "open", False)
    assert await settings_rows.secrets(database) == []
    assert await credential_service.get_credential("SOMETHING") == "open"


async def test_lists_show_no_secret(settings: SettingsService) -> None:
    await credential_service.set_credential("OPENAI_API_KEY", "sk-abcdefgh", True, "api_keys")
    [item] = await credential_service.list_all_credentials()
    assert (item.value, item.encrypted_value, item.is_encrypted) == ("[ENCRYPTED]", None, True)
    assert "sk-abcdefgh" not in str(await credential_service.get_credentials_by_category("api_keys"))


async def test_a_closed_database_is_an_error_everywhere(settings: SettingsService, database: PostgresDatabase) -> None:
    await database.close()
    with pytest.raises(StoreError):
        await credential_service.get_credential("MODEL_CHOICE", "default")
    with pytest.raises(StoreError):
        async with get_llm_client():
            pass
    assert await get_embedding_model() == "text-embedding-3-small"


async def test_the_active_provider_follows_the_choice(settings: SettingsService) -> None:
    await settings.save({"VLLM_BASE_URL": "http://gpu:8000", "VLLM_EMBEDDING_MODEL": "minilm"})
    await credential_service.set_active_provider("vllm", "embedding")
    assert (await credential_service.get_active_provider("embedding"))["provider"] == "vllm"
    assert (await credential_service.get_active_provider("llm"))["provider"] == "openai"


async def test_other_tables_are_not_reachable_through_the_facade(settings: SettingsService) -> None:
    with pytest.raises(ConfigurationError, match="archon_sources"):
        credential_service._get_supabase_client().table("archon_sources")
