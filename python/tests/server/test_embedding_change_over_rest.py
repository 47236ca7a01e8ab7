"""Another embedding model, chosen in Settings of a running server: the former one answers until the switch."""

from __future__ import annotations

import asyncio

import httpx

from src.errors import JsonValue
from tests.fakes.model_server import Reply, Request, Silence, running
from tests.ingest.parts import embed_reply
from tests.ingest.site import Site

from .conftest import StartServer
from .rest import ended, providers


async def _reembedding(archon: httpx.AsyncClient) -> dict[str, JsonValue]:
    """The job that embeds all anew, once the server has noticed the change."""
    async with asyncio.timeout(60):
        while True:
            found: list[dict[str, JsonValue]] = (await archon.get("/api/jobs")).json()["jobs"]
            for job in found:
                if job["kind"] == "reembed":
                    return job


async def test_a_model_that_is_chosen_in_settings_takes_over_in_the_background(
    start_server: StartServer, site: Site
) -> None:
    gate = asyncio.Event()

    def held(request: Request) -> Reply | Silence:
        stored = any("Words of it" in text for text in request.json()["input"])
        return Silence() if stored and not gate.is_set() else embed_reply("other", 6)(request)

    site.article("/a", "A", "Words of it.")
    async with running() as former, running() as newer:
        former.on("/v1/embeddings", embed_reply())
        newer.on("/v1/embeddings", held)
        address = await asyncio.to_thread(lambda: start_server(**providers(former.url, former.url)))
        async with httpx.AsyncClient(base_url=address, timeout=60) as archon:
            crawl = (await archon.post("/api/knowledge-items/crawl", json={"url": site.url("/a")})).json()
            await ended(archon, crawl["progressId"])
            await archon.put("/api/settings", json={"values": {"VLLM_EMBEDDING_BASE_URL": newer.url}})
            job = await _reembedding(archon)
            await newer.busy.wait()
            found = (await archon.post("/api/rag/query", json={"query": "Words of it"})).json()
            gate.set()
            await newer.close()
            end = await ended(archon, str(job["id"]))
            body = (await archon.get("/api/embedding-spaces")).json()
    assert (found["search_mode"], len(found["results"])) == ("hybrid", 1)
    assert (end["status"], [one["dimensions"] for one in body["spaces"]]) == ("completed", [6])
