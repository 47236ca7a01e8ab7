"""Search over a real store with a real embedding model."""

from __future__ import annotations

import psycopg
import pytest

from src.errors import InvalidInput, ProviderError, StoreUnavailable
from src.inference.models import Vector
from src.search.query import SearchService
from src.search.results import match_type
from src.store.postgres import PostgresDatabase
from src.store.search import Scope, SearchRepository, Weights

from .conftest import giving
from .shelf import WireEmbedder


async def test_a_question_finds_the_passage_that_answers_it(space: int, service: SearchService) -> None:
    found = await service.search("How do I run several coroutines at once and wait for all of them?")
    assert found.hits[0].url == "https://docs.test/asyncio-task"
    assert (found.mode, found.search_mode, found.reason) == ("chunks", "hybrid", None)


async def test_a_chunk_says_how_it_was_found(space: int, service: SearchService) -> None:
    hit = (await service.search("asyncio.gather")).hits[0]
    assert (hit.vector_rank, hit.keyword_rank, match_type(hit)) == (1, 1, "hybrid")
    assert hit.fused_score == pytest.approx((1 + Weights().keyword) / (Weights().rank_constant + 1))
    assert 0.3 < (hit.similarity or 0) <= 1


async def test_a_chunk_carries_its_page(space: int, service: SearchService) -> None:
    hit = (await service.search("asyncio.gather")).hits[0]
    assert (hit.title, hit.heading_path, hit.source_id) == (
        "Coroutines and Tasks",
        ("Running Tasks Concurrently",),
        "shelf",
    )


async def test_part_of_a_dotted_name_finds_it(space: int, service: SearchService) -> None:
    found = await service.search("dumps", limit=1)
    assert found.hits[0].content.startswith("json.dumps")


async def test_a_word_of_the_headings_finds_every_passage_below_them(space: int, service: SearchService) -> None:
    found = await service.search("vegetables", limit=2)
    assert {hit.url for hit in found.hits} == {"https://garden.test/tomatoes"}


async def test_a_search_within_sources_stays_within_them(space: int, service: SearchService) -> None:
    found = await service.search("asyncio tasks", source_ids=["kitchen", "garden"], limit=10)
    assert {hit.source_id for hit in found.hits} <= {"kitchen", "garden"}


async def test_a_search_by_tag_finds_only_sources_that_have_it(space: int, service: SearchService) -> None:
    found = await service.search("water the plants", tags=["cooking"], limit=10)
    assert {hit.source_id for hit in found.hits} == {"kitchen"}


async def test_pages_are_found_with_the_number_of_their_matches(space: int, service: SearchService) -> None:
    found = await service.search("asyncio tasks", mode="pages", limit=2)
    best = found.to_dict()["results"][0]  # type: ignore[index, call-overload]
    assert (best["url"], best["chunk_matches"], best["source_id"]) == ("https://docs.test/asyncio-task", 3, "shelf")
    assert best["aggregate_similarity"] == pytest.approx(best["average_similarity"] * 1.06)


async def test_chunks_without_a_page_answer_a_search_for_pages(
    space: int, service: SearchService, database_url: str
) -> None:
    await _execute(database_url, "update archon_crawled_pages set page_id = null")
    found = await service.search("asyncio tasks", mode="pages")
    assert (found.mode, found.hits[0].page_id) == ("chunks", None)


async def test_the_answer_has_the_fields_of_rest(space: int, service: SearchService) -> None:
    body = (await service.search("bread", source_ids=["kitchen"], limit=1)).to_dict()
    assert {key: body[key] for key in ("success", "source", "match_count", "total_found", "return_mode", "reason")} == {
        "success": True,
        "source": "kitchen",
        "match_count": 1,
        "total_found": 1,
        "return_mode": "chunks",
        "reason": None,
    }


async def test_an_empty_store_is_named_as_the_reason(service: SearchService) -> None:
    found = await service.search("anything")
    assert (found.hits, found.reason) == ((), "empty_store")


async def test_a_filter_that_leaves_nothing_is_named_as_the_reason(space: int, service: SearchService) -> None:
    found = await service.search("anything", source_ids=["nowhere"])
    assert (found.hits, found.reason) == ((), "filter_excludes_all")


async def test_nothing_alike_is_no_match(
    space: int, database_url: str, embedder: WireEmbedder, service: SearchService
) -> None:
    opposite = [-value for value in await embedder.embed_query("zebra")]
    await _execute(database_url, f"update archon_chunk_vectors set embedding = '{opposite}'")
    found = await service.search("zebra")
    assert (found.hits, found.reason) == ((), "no_match")


async def test_vectors_of_another_model_are_never_compared(
    space: int, database: PostgresDatabase, vllm_embedding_url: str
) -> None:
    other = SearchService(database, giving(WireEmbedder(vllm_embedding_url, model_name="another")))
    found = await other.search("zebra")
    assert (found.hits, found.reason, found.search_mode) == ((), "other_space", "keyword")


async def test_words_still_find_what_another_model_embedded(
    space: int, database: PostgresDatabase, vllm_embedding_url: str
) -> None:
    other = SearchService(database, giving(WireEmbedder(vllm_embedding_url, model_name="another")))
    found = await other.search("sourdough starter")
    assert (found.hits[0].source_id, found.hits[0].similarity, match_type(found.hits[0])) == (
        "kitchen",
        None,
        "keyword",
    )


@pytest.mark.parametrize("query", ["", " \n ", "\x00"])
async def test_an_empty_question_is_refused(service: SearchService, query: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await service.search(query)
    assert refused.value.to_dict()["field"] == "query"


@pytest.mark.parametrize("query", ["a\x00b \ud800", "' or 1=1; --", "a & | ! ( <-> :*", "ﷺ 你好 🚀", "the of and"])
async def test_odd_questions_are_answered(space: int, service: SearchService, query: str) -> None:
    assert (await service.search(query)).to_dict()["success"] is True


async def test_a_question_longer_than_the_model_reads_is_answered(space: int, service: SearchService) -> None:
    found = await service.search("How is sourdough bread baked? " * 4000)
    assert found.hits[0].source_id == "kitchen"


async def test_a_dead_embedding_server_is_an_error_and_not_an_empty_list(
    space: int, database: PostgresDatabase
) -> None:
    with pytest.raises(ProviderError):
        await SearchService(database, giving(_Dead(""))).search("bread")


async def test_a_lost_database_is_an_error_and_not_an_empty_list(
    space: int, service: SearchService, database: PostgresDatabase
) -> None:
    await database.close()
    with pytest.raises(StoreUnavailable):
        await service.search("bread")


async def test_the_index_of_the_space_is_used(space: int, database_url: str) -> None:
    plan = await _execute(
        database_url,
        "set enable_seqscan = off",
        "set enable_sort = off",
        "explain select chunk_id from archon_chunk_vectors"
        f" where space_id = {space} order by embedding::vector(384) <=> '[{','.join('1' * 384)}]'::vector(384) limit 5",
    )
    assert f"archon_vectors_space_{space}" in plan


async def test_candidates_of_the_index_are_those_of_the_exact_search(
    space: int, database: PostgresDatabase, embedder: WireEmbedder
) -> None:
    store, vector = SearchRepository(database), await embedder.embed_query("growing vegetables")
    near = await store.nearest(space=space, vector=vector, source_ids=None, depth=5)
    assert near == await store.nearest(space=space, vector=vector, source_ids=None, depth=5, exact=True)


async def test_only_common_words_still_find_something(space: int, database_url: str, service: SearchService) -> None:
    await _execute(
        database_url,
        "analyze archon_crawled_pages",
        "update pg_class set reltuples = 1e9 where relname = 'archon_crawled_pages'",
    )
    assert (await service.search("object string", limit=3)).hits[0].url == "https://docs.test/json"


async def test_a_scope_of_nothing_finds_nothing(space: int, database: PostgresDatabase) -> None:
    scope = Scope(tags=("unknown",))
    found = await SearchRepository(database).chunks(space=None, vector=None, words="bread", scope=scope, limit=5)
    assert found == []


_HUGE = "update pg_class set reltuples = 1e9 where relname = 'archon_crawled_pages'"


class _Dead(WireEmbedder):
    async def embed_query(self, text: str) -> Vector:
        raise ProviderError("The embedding server is gone.")


async def _execute(url: str, *statements: str) -> str:
    """Run the statements; the last one's rows as text."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = await connection.execute(statement)  # type: ignore[call-overload]
        return str(await cursor.fetchall()) if cursor.description else ""
