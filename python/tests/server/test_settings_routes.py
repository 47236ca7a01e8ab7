"""Settings, credentials and providers over REST: what is saved, what is refused, and that no secret comes back."""

from __future__ import annotations

import httpx
import pytest

from src.errors import JsonValue

from .conftest import StartServer

SECRET = "not-a-real-key-0123456789"


async def save(api: httpx.AsyncClient, **values: str | None) -> httpx.Response:
    """PUT /api/settings."""
    return await api.put("/api/settings", json={"values": values})


async def test_a_saved_value_wins_over_the_environment_and_says_where_it_is_from(start_server: StartServer) -> None:
    async with httpx.AsyncClient(base_url=start_server(VLLM_BASE_URL="http://127.0.0.1:1")) as api:
        before = (await api.get("/api/settings")).json()["values"]["VLLM_BASE_URL"]
        after = (await save(api, VLLM_BASE_URL="http://127.0.0.1:2")).json()["values"]["VLLM_BASE_URL"]
        back = (await save(api, VLLM_BASE_URL=None)).json()["values"]["VLLM_BASE_URL"]
    assert [one["source"] for one in (before, after, back)] == ["environment", "database", "environment"]
    assert after["value"] == "http://127.0.0.1:2"


async def test_values_are_saved_together_or_not_at_all(api: httpx.AsyncClient) -> None:
    refused = await save(api, VLLM_BASE_URL="http://127.0.0.1:2", EMBEDDING_PROVIDER="no_such_provider")
    values = (await api.get("/api/settings")).json()["values"]
    assert (refused.status_code, refused.json()["detail"]["field"]) == (422, "EMBEDDING_PROVIDER")
    assert values["VLLM_BASE_URL"]["has_value"] is False


async def test_no_route_gives_a_secret_back(api: httpx.AsyncClient) -> None:
    await save(api, OPENAI_API_KEY=SECRET)
    await api.post("/api/credentials", json={"key": "OTHER_KEY", "value": SECRET, "is_encrypted": True})
    asked = {"keys": ["OPENAI_API_KEY", "OTHER_KEY"]}
    texts = [
        (await api.get("/api/settings")).text,
        (await api.get("/api/credentials")).text,
        (await api.get("/api/credentials/OPENAI_API_KEY")).text,
        (await api.get("/api/credentials/categories/api_keys")).text,
        (await api.post("/api/credentials/status-check", json=asked)).text,
    ]
    assert [SECRET in text for text in texts] == [False] * 5


async def test_status_check_says_which_secrets_are_there(api: httpx.AsyncClient) -> None:
    await save(api, OPENAI_API_KEY=SECRET)
    found = (await api.post("/api/credentials/status-check", json={"keys": ["OPENAI_API_KEY", "GONE"]})).json()
    assert {key: one["has_value"] for key, one in found.items()} == {"OPENAI_API_KEY": True, "GONE": False}


async def test_a_declared_secret_is_sealed_even_when_v1s_call_says_it_is_none(api: httpx.AsyncClient) -> None:
    await api.post("/api/credentials", json={"key": "OPENAI_API_KEY", "value": SECRET, "is_encrypted": False})
    shown = (await api.get("/api/credentials/OPENAI_API_KEY")).json()
    assert (shown["value"], shown["is_encrypted"], shown["has_value"]) == ("[ENCRYPTED]", True, True)


async def test_a_credential_lives_from_post_to_delete(api: httpx.AsyncClient) -> None:
    await api.post("/api/credentials", json={"key": "MY_SWITCH", "value": "true", "category": "features"})
    await api.put("/api/credentials/MY_SWITCH", json={"value": "false"})
    changed = (await api.get("/api/credentials/MY_SWITCH")).json()
    listed = (await api.get("/api/credentials?category=features")).json()
    await api.delete("/api/credentials/MY_SWITCH")
    gone = await api.get("/api/credentials/MY_SWITCH")
    assert changed == {"key": "MY_SWITCH", "value": "false", "is_encrypted": False}
    assert [(one["key"], one["category"]) for one in listed] == [("MY_SWITCH", "features")]
    assert (gone.status_code, gone.json()["detail"]["error"]) == (404, "Credential MY_SWITCH not found")


async def test_v1s_feature_switches_have_defaults(api: httpx.AsyncClient) -> None:
    shown = (await api.get("/api/credentials/PROJECTS_ENABLED")).json()
    assert (shown["value"], shown["is_default"]) == ("false", True)


async def test_a_credential_of_v1s_face_is_in_force_at_once(api: httpx.AsyncClient) -> None:
    await api.get("/api/settings")
    await api.put("/api/credentials/VLLM_BASE_URL", json={"value": "http://127.0.0.1:3"})
    value = (await api.get("/api/settings")).json()["values"]["VLLM_BASE_URL"]
    assert (value["value"], value["source"]) == ("http://127.0.0.1:3", "database")


async def test_every_provider_is_declared_without_values(api: httpx.AsyncClient) -> None:
    await save(api, OPENAI_API_KEY=SECRET)
    answer = await api.get("/api/providers")
    shown = {provider["id"]: provider for provider in answer.json()["providers"]}
    assert {"vllm", "openai", "ollama"} <= set(shown)
    assert {"key", "label", "kind", "help", "placeholder", "default", "required", "capability", "choices"} == set(
        shown["vllm"]["fields"][0]
    )
    assert SECRET not in answer.text


async def test_a_check_asks_the_real_server_with_unsaved_values(
    api: httpx.AsyncClient, vllm_embedding_url: str
) -> None:
    values = {"VLLM_EMBEDDING_BASE_URL": vllm_embedding_url}
    report = (await api.post("/api/providers/vllm/check", json={"service": "embedding", "values": values})).json()
    assert (report["ok"], report["error"], report["dimensions"], report["max_model_len"]) == (True, None, 384, 256)
    assert report["server"].startswith("vLLM")


async def test_the_offered_models_are_the_servers(api: httpx.AsyncClient, vllm_chat_url: str) -> None:
    body = {"service": "llm", "values": {"VLLM_BASE_URL": vllm_chat_url}}
    models = (await api.post("/api/providers/vllm/models", json=body)).json()["models"]
    assert [model["name"] for model in models] == ["smollm2-135m-instruct"]


@pytest.mark.parametrize(
    ("path", "status"), [("no_such/status", 400), ("NO-PATTERN/status", 422), ("a" * 21 + "/status", 422)]
)
async def test_a_provider_that_is_not_there_keeps_v1s_status(api: httpx.AsyncClient, path: str, status: int) -> None:
    assert (await api.get(f"/api/providers/{path}")).status_code == status


async def test_v1s_status_tells_a_missing_key(api: httpx.AsyncClient) -> None:
    body: JsonValue = (await api.get("/api/providers/openai/status")).json()
    assert body == {"ok": False, "reason": "no_key", "provider": "openai"}
