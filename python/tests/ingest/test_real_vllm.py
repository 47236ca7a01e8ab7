"""Ingest with a real vLLM: its real limit of tokens holds, and a nearby question finds the passage."""

from __future__ import annotations

import pytest

from src.ingest.requests import CrawlRequest
from src.ingest.service import IngestService
from src.ingest.space import cosine
from src.store import pages, spaces
from src.store.postgres import PostgresDatabase

from .parts import ended, factory_for, open_service
from .site import Site

pytestmark = [pytest.mark.real_vllm, pytest.mark.integration]

DENSE = "{}[]();:=+-*/%&|^~<>!?@#$'\"\\, " * 200
IDENTIFIERS = " ".join(f"xqz{number}_kjw = vbn{number}(plm, {number * 7919})" for number in range(200))


async def _stored(service: IngestService, database: PostgresDatabase, site: Site) -> list[pages.StoredChunk]:
    end = await ended(service, await service.start_crawl(CrawlRequest(site.url("/d"), max_depth=1)))
    assert (end.status, end.tally.failures) == ("completed", ())
    return list((await pages.chunks(database, end.source_id, limit=100)).items)


async def test_text_that_is_hard_to_estimate_is_stored_whole(
    site: Site, database: PostgresDatabase, vllm_embedding_url: str
) -> None:
    site.page("/d", f"<title>T</title><h1>Hard</h1><p>{DENSE.replace('<', '&lt;')}</p><pre>{IDENTIFIERS}</pre>")
    async with open_service(database, vllm_embedding_url) as service:
        chunks = await _stored(service, database, site)
    assert "xqz199_kjw" in chunks[-1].content
    space = await spaces.active(database)
    assert space is not None
    assert (space.dimensions, len(space.canaries)) == (384, 4)


async def test_the_canaries_of_a_real_server_come_out_the_same(
    database: PostgresDatabase, vllm_embedding_url: str
) -> None:
    embedder = await factory_for(vllm_embedding_url)()  # type: ignore[misc,operator]
    one = (await embedder.embed_passages(["A text."]))[0].vector
    many = (await embedder.embed_passages(["A text.", "Another, much longer text. " * 20]))[0].vector
    assert cosine(one, many) >= 0.999
