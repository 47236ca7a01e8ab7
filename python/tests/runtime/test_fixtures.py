"""The fixtures that other tests stand on."""

import httpx
import pytest

from src.store.postgres import PostgresDatabase
from tests.fixtures.site import Site


async def test_a_test_gets_a_migrated_empty_database(database: PostgresDatabase) -> None:
    assert list(await database.call("archon_secrets_list")) == []


async def test_the_test_database_has_a_pgvector_that_the_product_accepts(database: PostgresDatabase) -> None:
    state = await database.state()
    assert tuple(int(part) for part in (state.vector_version or "0").split(".")[:2]) >= (0, 8)


def test_two_tests_never_share_a_database(database_url: str, empty_database_url: str) -> None:
    assert database_url != empty_database_url


def test_the_site_serves_every_page_of_its_sitemap(site: Site) -> None:
    sitemap = httpx.get(site.url + "sitemap.xml").text
    answers = [httpx.get(page).status_code for page in site.pages if f"<loc>{page}</loc>" in sitemap]
    assert answers == [200] * 8


@pytest.mark.real_vllm
def test_the_chat_server_generates(vllm_chat_url: str) -> None:
    model = httpx.get(vllm_chat_url + "/v1/models").json()["data"][0]["id"]
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "temperature": 0}
    answer = httpx.post(vllm_chat_url + "/v1/chat/completions", json=body, timeout=60).json()
    assert answer["usage"]["completion_tokens"] == 4


@pytest.mark.real_vllm
def test_the_embedding_server_embeds_in_384_dimensions(vllm_embedding_url: str) -> None:
    model = httpx.get(vllm_embedding_url + "/v1/models").json()["data"][0]["id"]
    body = {"model": model, "input": ["one", "two"]}
    answer = httpx.post(vllm_embedding_url + "/v1/embeddings", json=body, timeout=60).json()
    assert [len(entry["embedding"]) for entry in answer["data"]] == [384, 384]
