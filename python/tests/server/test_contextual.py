"""Contextual embeddings over REST: off until somebody wants them, by Archon v1's keys; once with a real vLLM."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from src.errors import JsonValue
from tests.fakes.model_server import ModelServer, Reply, answer_of, model_row, running

from .conftest import StartServer
from .rest import providers, uploaded

WANTED = "USE_CONTEXTUAL_EMBEDDINGS"
MANUAL = (
    "# Pools\n\n" + "A pool keeps connections open and lends them to whoever asks. " * 5
    + "\n\n## Limits\n\n" + "It grows to ten connections at most, and shrinks when nobody asks. " * 5
)  # fmt: skip
"""Two passages."""


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    """One server for chat and embeddings."""
    async with running() as server:
        server.on("/v1/models", Reply(body={"object": "list", "data": [model_row("fake-model", 256)]}))
        server.on("/v1/chat/completions", answer_of("About pools."))
        yield server


async def _fed(archon: httpx.AsyncClient, name: str) -> list[dict[str, JsonValue]]:
    """What is kept beside the passages of a small manual."""
    state = await uploaded(archon, f"{name}.md", f"{MANUAL}\n\nOf {name}.".encode(), "text/markdown")
    assert state["status"] == "completed", state
    chunks = (await archon.get(f"/api/knowledge-items/{state['sourceId']}/chunks")).json()["chunks"]
    return [chunk["metadata"] for chunk in chunks]


async def test_contexts_are_written_from_when_they_are_wanted_until_they_are_not(
    start_server: StartServer, models: ModelServer
) -> None:
    address = start_server(**providers(models.url, models.url))
    async with httpx.AsyncClient(base_url=address, timeout=60) as archon:
        before = await _fed(archon, "before")
        saved = await archon.put("/api/settings", json={"values": {WANTED: "true"}})
        during = await _fed(archon, "during")
        await archon.put(f"/api/credentials/{WANTED}", json={"value": "false", "category": "rag_strategy"})
        after = await _fed(archon, "after")
    assert saved.status_code == 200, saved.text
    assert {one.get("situation") for one in during} == {"About pools."}
    assert {one.get("situation") for one in before + after} == {None}


@pytest.mark.real_vllm
async def test_a_real_model_says_where_a_passage_stands(archon: httpx.AsyncClient) -> None:
    await archon.put(f"/api/credentials/{WANTED}", json={"value": "true", "category": "rag_strategy"})
    passages = await _fed(archon, "manual")
    assert len(passages) == 2
    assert all(len(str(one["situation"])) > 10 for one in passages)
    assert all(one["contextual_embedding"] and one["llm_chat_model"] for one in passages)
