"""What tests ask of the server again and again."""

from __future__ import annotations

import json

import httpx

from src.errors import JsonValue


def providers(chat_url: str, embedding_url: str) -> dict[str, str]:
    """Environment variables that choose vLLM for both services."""
    return {
        "LLM_PROVIDER": "vllm",
        "EMBEDDING_PROVIDER": "vllm",
        "VLLM_BASE_URL": chat_url,
        "VLLM_EMBEDDING_BASE_URL": embedding_url,
    }


def events_of(text: str) -> list[tuple[str, dict[str, JsonValue]]]:
    """Names and bodies of the events in a stream's text; comments left out."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            found.append((lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))))
    return found


async def crawled(archon: httpx.AsyncClient, url: str) -> dict[str, JsonValue]:
    """The last state of a crawl of `url`."""
    started = (await archon.post("/api/knowledge-items/crawl", json={"url": url, "max_depth": 1})).json()
    return await ended(archon, started["progressId"])


async def uploaded(archon: httpx.AsyncClient, name: str, content: bytes, media_type: str) -> dict[str, JsonValue]:
    """The last state of an upload."""
    started = await archon.post("/api/documents/upload", files={"file": (name, content, media_type)})
    return await ended(archon, started.json()["progressId"])


async def ended(archon: httpx.AsyncClient, progress_id: str) -> dict[str, JsonValue]:
    """The final state, as the events tell it."""
    return events_of((await archon.get(f"/api/progress/{progress_id}/events")).text)[-1][1]
