"""What people see when the disk has no room left: over REST and at the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.model_server import ModelServer, running
from tests.ingest.parts import embed_reply
from tests.ingest.site import Site

from .process import open_data_dir, serving_process
from .rest import crawled, providers
from .test_command_line import run
from .test_command_trouble import said

ALL_MB = "1000000000000"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with open_data_dir() as folder:
        yield folder


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    async with running() as server:
        server.on("/v1/embeddings", embed_reply())
        yield server


async def test_a_full_disk_is_said_with_what_to_do_while_searches_are_answered(
    data_dir: Path, free_port: int, site: Site, models: ModelServer
) -> None:
    values = providers(models.url, models.url) | {"ARCHON_ALLOW_PRIVATE_ADDRESSES": "true"}
    site.article("/", "Harbour", "The harbour master counts the ships every evening.")
    file = {"file": ("a.md", b"# A", "text/markdown")}
    async with serving_process(data_dir, free_port, **values) as server:
        await server.answers("/health", 200)
        async with httpx.AsyncClient(base_url=server.address, timeout=60) as archon:
            assert (await crawled(archon, site.url("/")))["status"] == "completed"
    async with serving_process(data_dir, free_port, **values, ARCHON_KEEP_FREE_MB=ALL_MB) as server:
        await server.answers("/health", 200)
        async with httpx.AsyncClient(base_url=server.address, timeout=60) as archon:
            refused = await archon.post("/api/documents/upload", files=file)
            answer = (await archon.post("/api/rag/query", json={"query": "harbour master"})).json()
        ended = await run(server.address, "crawl", site.url("/"))
    detail = refused.json()["detail"]
    assert (refused.status_code, detail["code"]) == (503, "disk_full")
    assert ("Free some space" in detail["next_step"], "MB left" in detail["error"]) == (True, True)
    assert "harbour master" in answer["results"][0]["content"]
    assert (said(ended), "Free some space" in ended.err) == ((1, True, False), True), ended
