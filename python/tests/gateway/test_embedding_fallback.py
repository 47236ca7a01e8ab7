"""Questions may be embedded elsewhere only where the vectors are the same; otherwise that is refused by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.fixtures.site import Site
from tests.server.conftest import StartServer, serving
from tests.server.rest import crawled

from .door import Door, open_door, until
from .faulty import FaultyServer

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def start_server(database_url: str, free_port: int, tmp_path: Path) -> Iterator[StartServer]:
    """Starts the server with these variables; gives its address."""
    own = {"DATABASE_URL": database_url, "ARCHON_SERVER_PORT": str(free_port), "ARCHON_DATA_DIR": str(tmp_path)}
    with ExitStack() as stack:
        yield lambda **values: stack.enter_context(serving(own | values))


@pytest.fixture
async def foreign() -> AsyncIterator[FaultyServer]:
    """Embeds something else under the same name."""
    server = await FaultyServer("all-minilm-l6-v2", "embed").start()
    yield server
    await server.stop()


@pytest.fixture
async def first(vllm_embedding_url: str) -> AsyncIterator[Door]:
    """The chosen way to the embedding server, which a test closes."""
    patient = {"first_byte_s": 60.0, "answer_s": 60.0}
    door = await open_door([vllm_embedding_url], timeouts=patient, discovery={"probe_timeout_s": 10})
    await until(lambda: next(iter(door.gateway.fleet.servers)).ready, 60)
    yield door
    await door.close()


def chain(first: Door, second: str) -> dict[str, str]:
    address = f"http://127.0.0.1:{first.port}"
    return {
        "EMBEDDING_PROVIDER": "vllm",
        "VLLM_EMBEDDING_BASE_URL": address,
        "VLLM_BASE_URL": address,
        "TEXTGEN_BASE_URL": second,
        "ENABLE_FALLBACK": "true",
        "FALLBACK_CHAIN": "textgen",
        "ARCHON_ALLOW_PRIVATE_ADDRESSES": "true",
    }


async def search_after_the_fall(address: str, site: Site, first: Door) -> httpx.Response:
    """What a search finds once the chosen way is closed."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as archon:
        assert (await crawled(archon, site.url))["status"] == "completed"
        await first.close()
        return await archon.post("/api/rag/query", json={"query": "run several coroutines at once"})


async def test_the_same_model_elsewhere_embeds_the_question(
    start_server: StartServer, vllm_embedding_url: str, first: Door, site: Site
) -> None:
    found = await search_after_the_fall(start_server(**chain(first, vllm_embedding_url)), site, first)
    assert found.status_code == 200, found.text
    assert len(found.json()["results"]) > 0


async def test_another_model_is_refused_by_name(
    start_server: StartServer, first: Door, foreign: FaultyServer, site: Site
) -> None:
    found = await search_after_the_fall(start_server(**chain(first, foreign.url)), site, first)
    detail = found.json()["detail"]
    assert (detail["code"], "textgen" in detail["error"]) == ("unsupported_feature", True), detail
