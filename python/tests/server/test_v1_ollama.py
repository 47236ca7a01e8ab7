"""Archon v1's routes about Ollama, against a server that speaks Ollama's API as its documentation has it.

Source: https://docs.ollama.com/api, read 2026-11-21 in a copy. No Ollama can be had as a package here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.fakes.model_server import ModelServer, Reply, running

from .conftest import StartServer

LLAMA, NOMIC = "llama3.2:latest", "nomic-embed-text:latest"
TAGS = {"models": [{"name": LLAMA, "size": 2_019_393_189}, {"name": NOMIC, "size": 274_302_450}]}
SHOWN = {
    LLAMA: {
        "capabilities": ["completion", "tools"],
        "details": {"parameter_size": "3.2B", "quantization_level": "Q4_K_M", "format": "gguf", "family": "llama"},
        "model_info": {"general.architecture": "llama", "llama.context_length": 131072},
    },
    NOMIC: {
        "capabilities": ["embedding"],
        "model_info": {"nomic-bert.context_length": 2048, "nomic-bert.embedding_length": 768},
    },
}


@pytest.fixture
async def ollama() -> AsyncIterator[ModelServer]:
    async with running() as server:
        server.on("/api/tags", Reply(200, TAGS))
        server.on("/api/show", lambda request: Reply(200, SHOWN[request.json()["model"]]))
        yield server


async def ask(method: str, url: str, **options: Any) -> Any:
    async with httpx.AsyncClient(timeout=30) as client:
        return (await client.request(method, url, **options)).json()


async def test_models_are_what_the_instance_says_they_are(start_server: StartServer, ollama: ModelServer) -> None:
    query = {"instance_urls": ollama.url, "fetch_details": "true"}
    found = await ask("GET", f"{start_server()}/api/ollama/models", params=query)
    [chat] = found["chat_models"]
    assert (chat["name"], chat["max_context_length"], chat["capabilities"]) == (LLAMA, 131072, ["chat", "tools"])
    assert [(model["name"], model["dimensions"]) for model in found["embedding_models"]] == [(NOMIC, 768)]
    assert found["host_status"][ollama.url] == {"status": "online", "models_count": 2, "instance_url": ollama.url}


async def test_an_instance_that_is_away_is_told_beside_the_others(
    start_server: StartServer, ollama: ModelServer
) -> None:
    query = {"instance_urls": [ollama.url, "http://127.0.0.1:9"]}
    found = await ask("GET", f"{start_server()}/api/ollama/instances/health", params=query)
    assert found["summary"]["healthy_instances"] == 1
    assert found["instance_status"]["http://127.0.0.1:9"]["error_message"]


def test_no_address_is_a_bad_request(start_server: StartServer) -> None:
    answer = httpx.get(f"{start_server()}/api/ollama/models", params={"instance_urls": " "})
    assert answer.status_code == 400
    assert answer.json()["detail"]["field"] == "instance_urls"


async def test_what_was_discovered_is_kept(start_server: StartServer, ollama: ModelServer) -> None:
    archon = start_server()
    body = {"instance_urls": [ollama.url]}
    stored = await ask("POST", f"{archon}/api/ollama/models/discover-and-store", json=body)
    assert stored["total_count"] == 2
    kept = await ask("GET", f"{archon}/api/ollama/models/stored")
    assert {model["name"] for model in kept["models"]} == {LLAMA, NOMIC}
    assert kept["cache_status"] == "loaded"


async def test_where_vectors_would_go_is_asked_not_guessed(start_server: StartServer, ollama: ModelServer) -> None:
    body = {"model_name": NOMIC, "instance_url": ollama.url}
    found = await ask("POST", f"{start_server()}/api/ollama/embedding/route", json=body)
    assert (found["dimensions"], found["target_column"]) == (768, "embedding_768")


async def test_abilities_are_tried(start_server: StartServer, ollama: ModelServer) -> None:
    called = {"message": {"role": "assistant", "tool_calls": [{"function": {"name": "look_up", "arguments": {}}}]}}
    said = {"message": {"role": "assistant", "content": "no JSON at all"}}
    ollama.on("/api/chat", lambda request: Reply(200, called if "tools" in request.json() else said))
    body = {"model_name": LLAMA, "instance_url": ollama.url}
    found = await ask("POST", f"{start_server()}/api/ollama/models/test-capabilities", json=body)
    assert found["test_results"] == {"function_calling_supported": True, "structured_output_supported": False}
    assert found["compatibility_assessment"]["level"] == "partial"


def test_internal_routes_hand_out_no_key(start_server: StartServer) -> None:
    archon = start_server(OPENAI_API_KEY="sk-never-to-be-seen", LLM_PROVIDER="openai")
    answer = httpx.get(f"{archon}/internal/credentials/agents")
    assert "sk-never" not in answer.text
    assert answer.json()["LOG_LEVEL"] == "INFO"
