"""Connections through REST, on a real vLLM."""

from __future__ import annotations

import json

import httpx
import pytest

from src.errors import JsonValue
from tests.fakes.model_server import running


async def put_in(api: httpx.AsyncClient, *entries: dict[str, JsonValue]) -> httpx.Response:
    return await api.post("/api/connections/import", content=json.dumps({"connections": entries}))


async def test_a_file_is_imported_and_its_server_really_asked(api: httpx.AsyncClient, vllm_chat_url: str) -> None:
    done = await put_in(api, {"id": "lab", "provider": "vllm", "base_url": f"{vllm_chat_url}/v1", "api_key": None})
    assert (done.status_code, done.json()["created"]) == (200, ["lab"])
    report = (await api.post("/api/connections/lab/check", timeout=180)).json()
    models = (await api.get("/api/connections/lab/models", timeout=60)).json()["models"]
    assert (report["ok"], report["model"], models[0]["name"]) == (True, models[0]["name"], report["model"])


async def test_the_kind_of_a_real_vllm_is_found_out(api: httpx.AsyncClient, vllm_chat_url: str) -> None:
    found = (await api.post("/api/connections/detect", json={"base_url": vllm_chat_url})).json()
    assert (found["provider"], found["problem"]) == ("vllm", None)
    model = found["models"][0]["name"]
    assert found["values"] == {"provider": "vllm", "base_url": vllm_chat_url, "model": model, "is_local": True}


async def test_an_embedding_server_is_recognised_as_one(api: httpx.AsyncClient, vllm_embedding_url: str) -> None:
    found = (await api.post("/api/connections/detect", json={"base_url": vllm_embedding_url})).json()
    assert (found["provider"], found["problem"]["code"]) == ("vllm", "endpoint_not_found")


async def test_a_connection_is_made_changed_and_removed(api: httpx.AsyncClient) -> None:
    made = await api.post("/api/connections", json={"name": "Lab", "base_url": "http://gpu:1", "api_key": "key-123"})
    assert (made.status_code, made.json()["id"]) == (201, "lab")
    changed = await api.put("/api/connections/lab", json={"timeout": 5, "api_key": None})
    assert (changed.json()["timeout"], changed.json()["has_key"]) == (5.0, False)
    assert (await api.delete("/api/connections/lab")).status_code == 200
    assert (await api.get("/api/connections/lab")).status_code == 404


async def test_the_list_tells_fields_kinds_and_the_default_but_no_key(api: httpx.AsyncClient) -> None:
    await api.post("/api/connections", json={"id": "lab", "base_url": "http://gpu:1", "api_key": "key-123"})
    await api.put("/api/connections/lab/default")
    answer = await api.get("/api/connections")
    body = answer.json()
    assert ([one["id"] for one in body["connections"]], body["default"]) == (["settings:llm", "lab"], "lab")
    assert {field["key"] for field in body["fields"]} >= {"name", "base_url", "provider", "api_key", "model", "timeout"}
    assert "key-123" not in answer.text


async def test_an_export_holds_keys_only_where_they_are_asked_for(api: httpx.AsyncClient) -> None:
    await api.post("/api/connections", json={"id": "lab", "base_url": "http://gpu:1", "api_key": "key-123"})
    plain = await api.get("/api/connections/export")
    asked = await api.post("/api/connections/export", json={"include_secrets": True})
    assert "key-123" not in plain.text
    assert asked.json()["connections"][0]["api_key"] == "key-123"
    assert 'filename="llm_connections.json"' in plain.headers["content-disposition"]


async def test_a_hostile_file_is_refused_by_its_place_and_changes_nothing(api: httpx.AsyncClient) -> None:
    good = {"id": "a", "base_url": "http://gpu:1"}
    answer = await put_in(api, good, {"id": "b", "base_url": "file:///etc/passwd"})
    assert (answer.status_code, answer.json()["detail"]["field"]) == (422, "connections[1].base_url")
    assert [one["id"] for one in (await api.get("/api/connections")).json()["connections"]] == ["settings:llm"]


@pytest.mark.parametrize("size", [1_500_000, 10_000_000])
async def test_a_file_that_is_too_large_is_refused_before_it_is_read(api: httpx.AsyncClient, size: int) -> None:
    answer = await api.post("/api/connections/import", content=b" " * size)
    assert (answer.status_code, answer.json()["detail"]["code"]) == (422, "invalid_input")
    assert (await api.get("/health")).status_code == 200


async def test_a_wrong_field_is_named(api: httpx.AsyncClient) -> None:
    typed = await api.post("/api/connections", json={"base_url": "http://gpu:1", "timeout": "long"})
    meant = await api.post("/api/connections", json={"base_url": "http://gpu:1", "provider": "skynet"})
    assert [one.json()["detail"]["field"] for one in (typed, meant)] == ["timeout", "provider"]
    assert (typed.status_code, meant.status_code) == (422, 422)


async def test_connections_of_settings_cannot_be_changed_here(api: httpx.AsyncClient) -> None:
    answer = await api.put("/api/connections/settings:llm", json={"name": "mine"})
    assert (answer.status_code, answer.json()["detail"]["next_step"]) == (403, "Change it in Settings.")


async def test_an_unsaved_connection_is_checked(api: httpx.AsyncClient, unused_port: int) -> None:
    async with running() as server:
        good, dead = [
            await api.post("/api/connections/check", json={"values": {"provider": "vllm", "base_url": url}})
            for url in (server.url, f"http://127.0.0.1:{unused_port}")
        ]
    assert (good.json()["ok"], dead.json()["ok"]) == (True, False)
    assert (dead.json()["error"]["code"], dead.json()["error"]["field"]) == ("connection_refused", "base_url")
