"""Settings over a real database: what is in force, from where, and what saving does."""

from __future__ import annotations

import asyncio

import pytest

from src.errors import ConfigurationError, Conflict, InvalidInput, SecretUnreadable, StoreError
from src.settings import SecretBox, SettingsService, v1_cipher
from src.store import settings_rows
from src.store.database import Json
from src.store.postgres import PostgresDatabase
from src.store.settings_rows import SettingEntry, SettingRow

from .conftest import MakeService

VLLM = {"LLM_PROVIDER": "vllm", "EMBEDDING_PROVIDER": "vllm", "VLLM_BASE_URL": "http://gpu:8000"}


async def row_of(database: PostgresDatabase, key: str) -> SettingRow | None:
    return next((row for row in await settings_rows.load(database) if row.key == key), None)


async def test_the_default_provider_is_the_one_of_v1(service: SettingsService) -> None:
    snapshot = await service.snapshot()
    value = snapshot.by_key["LLM_PROVIDER"]
    assert (value.text, value.source) == ("openai", "default")


async def test_the_database_wins_over_the_environment(make_service: MakeService) -> None:
    service = make_service(**VLLM)
    assert (await service.snapshot()).by_key["VLLM_BASE_URL"].source == "environment"
    await service.save({"VLLM_BASE_URL": "http://other:8000"})
    value = (await service.snapshot()).by_key["VLLM_BASE_URL"]
    assert (value.text, value.source) == ("http://other:8000", "database")


async def test_null_lets_the_environment_apply_again(make_service: MakeService) -> None:
    service = make_service(**VLLM)
    await service.save({"VLLM_BASE_URL": "http://other:8000"})
    await service.save({"VLLM_BASE_URL": None})
    assert (await service.snapshot()).text("VLLM_BASE_URL") == "http://gpu:8000"


async def test_an_active_vllm_has_its_address_and_no_foreign_model(make_service: MakeService) -> None:
    service = make_service(**VLLM, MODEL_CHOICE="gpt-4o", EMBEDDING_MODEL="text-embedding-3-small")
    active = await service.active("llm")
    assert (active.endpoint.base_url, active.endpoint.api_key, active.model) == ("http://gpu:8000/v1", None, None)
    assert (await service.active("embedding")).model is None


async def test_embeddings_may_live_elsewhere(make_service: MakeService) -> None:
    service = make_service(**VLLM, VLLM_EMBEDDING_BASE_URL="gpu2:9000/v1/", VLLM_EMBEDDING_MODEL="minilm")
    active = await service.active("embedding")
    assert (active.endpoint.base_url, active.model) == ("http://gpu2:9000/v1", "minilm")


async def test_the_vector_size_of_v1_reaches_the_provider(make_service: MakeService) -> None:
    service = make_service(OPENAI_API_KEY="sk-abcdefgh")
    await service.save({"EMBEDDING_DIMENSIONS": 512})
    assert (await service.active("embedding")).values["EMBEDDING_DIMENSIONS"] == "512"


async def test_a_secret_is_sealed_in_the_database_and_never_shown(
    make_service: MakeService, database: PostgresDatabase
) -> None:
    service = make_service(**VLLM)
    await service.save({"VLLM_API_KEY": "very-secret-key"})
    row = await row_of(database, "VLLM_API_KEY")
    assert row is not None
    assert (row.value, row.encrypted_value, row.is_encrypted, row.category) == (None, None, True, "api_keys")
    assert "very-secret-key" not in str(row.sealed) + str((await service.overview()).to_dict()) + repr(service.catalog)
    assert (await service.active("llm")).endpoint.api_key == "very-secret-key"


async def test_a_secret_of_v1_is_read_and_stays_beside_ours(
    make_service: MakeService, database: PostgresDatabase
) -> None:
    old = v1_cipher.encrypt("sk-of-v1", "service-key")
    row = {"key": "OPENAI_API_KEY", "encrypted_value": old, "is_encrypted": True, "category": "api_keys"}
    await database.call("archon_settings_put", entry=Json(row))
    service = make_service(SUPABASE_SERVICE_KEY="service-key")
    assert (await service.active("llm")).endpoint.api_key == "sk-of-v1"
    await service.save({"OPENAI_API_KEY": "sk-newer-key"})
    assert (await service.active("llm")).endpoint.api_key == "sk-newer-key"
    found = await row_of(database, "OPENAI_API_KEY")
    assert found is not None
    assert found.encrypted_value == old


async def test_a_lost_key_asks_for_the_secret_and_for_nothing_else(
    make_service: MakeService, database: PostgresDatabase
) -> None:
    await make_service(**VLLM).save({"VLLM_API_KEY": "very-secret-key", "VLLM_CHAT_MODEL": "m"})
    service = make_service(**VLLM, ARCHON_SECRET_KEY="another key than before")
    assert await service.unreadable_secrets() == ("VLLM_API_KEY",)
    assert (await service.snapshot()).text("VLLM_CHAT_MODEL") == "m"
    with pytest.raises(SecretUnreadable) as raised:
        await service.active("llm")
    assert raised.value.context.field == "VLLM_API_KEY"
    await service.save({"VLLM_API_KEY": "entered-again"})
    assert (await service.active("llm")).endpoint.api_key == "entered-again"


async def test_secrets_survive_a_new_key(service: SettingsService, make_service: MakeService) -> None:
    await service.save({"OPENAI_API_KEY": "sk-abcdefgh"})
    new = "a new key of good length"
    rotation = await service.rotate_secrets(SecretBox.from_text(new))
    assert [secret.key for secret in rotation.resealed] == ["OPENAI_API_KEY"]
    assert (await make_service(ARCHON_SECRET_KEY=new).active("llm")).endpoint.api_key == "sk-abcdefgh"


async def test_a_secret_saved_during_a_rotation_stops_it(service: SettingsService, database: PostgresDatabase) -> None:
    await service.save({"OPENAI_API_KEY": "sk-abcdefgh"})
    read_before = await settings_rows.secrets(database)
    await service.save({"OPENAI_API_KEY": "sk-entered-later"})
    stale = [settings_rows.ResealedSecret(row.key, row.sealed, "archon1.x.y") for row in read_before]
    with pytest.raises(Conflict):
        await settings_rows.reseal(database, stale)
    assert (await service.active("llm")).endpoint.api_key == "sk-entered-later"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"LLM_PROVIDER": "nobody"}, "LLM_PROVIDER"),
        ({"RERANK_PROVIDER": "openai"}, "RERANK_PROVIDER"),
        ({"LLM_PROVIDER": "vllm"}, "VLLM_BASE_URL"),
        ({"LLM_PROVIDER": "vllm", "VLLM_BASE_URL": "ftp://gpu"}, "VLLM_BASE_URL"),
        ({"LLM_PROVIDER": "vllm", "VLLM_BASE_URL": "http://gpu:99999"}, "VLLM_BASE_URL"),
        ({"VLLM_API_KEY": "two\nlines"}, "VLLM_API_KEY"),
        ({"VLLM_API_KEY": "[ENCRYPTED]"}, "VLLM_API_KEY"),
        ({"MODEL_CHOICE": "a\x00b"}, "MODEL_CHOICE"),
        ({"MODEL_CHOICE": ["a"]}, "MODEL_CHOICE"),
        ({"NOT_A_SETTING": "1"}, "NOT_A_SETTING"),
    ],
)
async def test_what_cannot_be_is_refused_by_field_and_nothing_is_saved(
    service: SettingsService, database: PostgresDatabase, changes: dict[str, object], field: str
) -> None:
    with pytest.raises((ConfigurationError, InvalidInput)) as raised:
        await service.save({"EMBEDDING_MODEL": "kept-out", **changes})
    assert raised.value.context.field == field
    assert await settings_rows.load(database) == []


async def test_what_is_unfinished_may_be_saved_step_by_step(service: SettingsService) -> None:
    await service.save({"MODEL_CHOICE": "gpt-4.1"})
    await service.save({"OPENAI_API_KEY": "sk-abcdefgh"})
    assert (await service.active("llm")).model == "gpt-4.1"


async def test_a_provider_in_use_cannot_lose_its_address(service: SettingsService) -> None:
    await service.save(VLLM)
    with pytest.raises(ConfigurationError) as raised:
        await service.save({"VLLM_BASE_URL": None})
    assert raised.value.context.field == "VLLM_BASE_URL"
    assert (await service.active("llm")).endpoint.base_url == "http://gpu:8000/v1"


async def test_one_service_can_be_set_up_while_the_other_is_not(service: SettingsService) -> None:
    await service.save({"LLM_PROVIDER": "vllm", "VLLM_BASE_URL": "gpu:8000", "EMBEDDING_PROVIDER": "openai"})
    states = (await service.overview()).services
    assert (states["llm"].problem, states["embedding"].problem and states["embedding"].problem.context.field) == (
        None,
        "OPENAI_API_KEY",
    )


async def test_settings_of_others_survive(service: SettingsService, database: PostgresDatabase) -> None:
    other = SettingEntry("CRAWL_BATCH_SIZE", "50", category="rag_strategy", description="pages at once")
    await settings_rows.save(database, [other])
    await service.save(VLLM)
    found = await row_of(database, "CRAWL_BATCH_SIZE")
    assert found == SettingRow("CRAWL_BATCH_SIZE", "50", False, "rag_strategy", "pages at once")


async def test_another_process_is_heard_within_the_cache_time(
    service: SettingsService, make_service: MakeService
) -> None:
    assert (await service.snapshot()).text("MODEL_CHOICE") is None
    await make_service().save({"MODEL_CHOICE": "gpt-4.1"})
    service.forget()
    assert (await service.snapshot()).text("MODEL_CHOICE") == "gpt-4.1"


async def test_listeners_hear_of_a_save_and_not_of_a_refusal(service: SettingsService) -> None:
    heard: list[str] = []
    service.on_saved(lambda: heard.append("saved"))
    with pytest.raises(InvalidInput):
        await service.save({"NOT_A_SETTING": "1"})
    await service.save({"MODEL_CHOICE": "gpt-4.1"})
    assert heard == ["saved"]


async def test_a_closed_database_is_an_error_not_an_empty_setting(
    service: SettingsService, database: PostgresDatabase
) -> None:
    await database.close()
    with pytest.raises(StoreError):
        await service.active("llm")


async def test_saves_at_once_do_not_mix(service: SettingsService) -> None:
    names = [f"model-{n}" for n in range(8)]
    await asyncio.gather(*(service.save({"MODEL_CHOICE": name, "EMBEDDING_MODEL": name}) for name in names))
    snapshot = await service.snapshot()
    assert snapshot.text("MODEL_CHOICE") == snapshot.text("EMBEDDING_MODEL") in names


async def test_a_draft_is_asked_with_values_that_are_not_saved(service: SettingsService) -> None:
    draft = await service.draft("vllm", "llm", {"VLLM_BASE_URL": "http://try:1/v1/models", "VLLM_CHAT_MODEL": "m"})
    assert (draft.endpoint.base_url, draft.model) == ("http://try:1/v1", "m")
    assert (await service.snapshot()).text("VLLM_BASE_URL") is None
