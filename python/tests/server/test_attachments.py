"""Attached pages over REST: as they are when a question is asked; deleted ones, and those longer than the context."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from src.errors import JsonValue
from tests.fakes.model_server import USAGE, Reply, Stream, model_row, running, token
from tests.ingest.site import Site

from .conftest import StartServer
from .rest import crawled, ended, events_of, providers, uploaded

BREAD = "<html><title>Bread</title><body><main><h1>Bread</h1><p>Feed the starter {}, as ever.</p></main></body></html>"
SAYS = Stream((token("Yes."), token("", "stop"), USAGE, b"data: [DONE]\n\n"))


@pytest.fixture
async def archon(start_server: StartServer, vllm_embedding_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A server whose chat model reads 2,048 tokens and always says yes."""
    async with running() as fake:
        fake.on("/tokenize", lambda request: Reply(body={"count": len(request.body) // 4}))
        fake.on("/v1/models", Reply(body={"object": "list", "data": [model_row("fake-model", 2048)]}))
        fake.on("/v1/chat/completions", SAYS)
        address = start_server(**providers(fake.url, vllm_embedding_url))
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            yield client


async def page_named(archon: httpx.AsyncClient, words: str) -> dict[str, str]:
    [page] = (await archon.get("/api/chat/pages", params={"search": words})).json()["pages"]
    assert isinstance(page, dict)
    return page


async def start_of(archon: httpx.AsyncClient, **attached: JsonValue) -> dict[str, JsonValue]:
    """The first event of an answer with these attachments and nothing else."""
    settings: dict[str, JsonValue] = {"knowledge": False, **attached}
    told = events_of((await archon.post("/api/chat", json={"message": "Starter?", "settings": settings})).text)
    return told[0][1]


async def test_a_page_that_changed_is_read_anew_and_one_that_was_deleted_is_told(
    archon: httpx.AsyncClient, site: Site
) -> None:
    site.page("/bread", BREAD.format("in the evening"))
    await crawled(archon, site.url("/bread"))
    page = await page_named(archon, "bread")
    attached: dict[str, JsonValue] = {"pages": [page["page_id"]], "pinned_sources": [page["source_id"]]}
    site.page("/bread", BREAD.format("at noon"))
    refreshing = await archon.post(f"/api/knowledge-items/{page['source_id']}/refresh")
    await ended(archon, refreshing.json()["progressId"])
    start = await start_of(archon, **attached)
    assert ["at noon" in passage["text"] for passage in start["passages"]] == [True]  # type: ignore[union-attr, index, call-overload]
    query = {"page": page["page_id"], "source": page["source_id"]}
    known = (await archon.get("/api/chat/attached", params=query)).json()["attached"]
    assert [(one["kind"], one["id"], one["passages"]) for one in known] == [
        ("page", page["page_id"], 1),
        ("source", page["source_id"], 0),
    ]
    await archon.delete(f"/api/sources/{page['source_id']}")
    gone = await start_of(archon, **attached)
    assert (gone["passages"], gone["left_out"]["attachments"]) == ([], 2)  # type: ignore[index, call-overload]
    assert (await archon.get("/api/chat/attached", params=query)).json() == {"attached": []}


async def test_of_a_page_longer_than_the_context_the_words_of_the_question_come_first_and_the_rest_is_counted(
    archon: httpx.AsyncClient,
) -> None:
    parts = [f"## Part {number}\n\n{f'Words of part {number}. ' * 40}\n" for number in range(80)]
    parts[70] += "\nThe starter is fed here.\n"
    await uploaded(archon, "long.md", f"# Long\n\n{''.join(parts)}".encode(), "text/markdown")
    page = await page_named(archon, "long")
    [known] = (await archon.get("/api/chat/attached", params={"page": page["page_id"]})).json()["attached"]
    start = await start_of(archon, pages=[page["page_id"]])
    passages, left_out = start["passages"], start["left_out"]
    assert isinstance(passages, list)
    assert isinstance(left_out, dict)
    assert "starter" in passages[0]["text"]  # type: ignore[index, call-overload, operator]
    assert 60 < known["passages"] == len(passages) + left_out["passages"]  # type: ignore[operator]


async def test_only_so_many_attachments_are_looked_up(archon: httpx.AsyncClient) -> None:
    answer = await archon.get("/api/chat/attached", params={"source": ["x"] * 51})
    assert answer.status_code == 422
