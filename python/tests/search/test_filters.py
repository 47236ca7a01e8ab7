"""A search within a filter: only what passes it, and no worse for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest

from src.search.query import SearchService
from src.store.postgres import PostgresDatabase
from src.store.search import FilterValue, SearchRepository

DIMENSIONS = 16
CHUNKS = 4000
QUESTIONS = 20
# `d` and {1} are named so that each number and each row gets a random value of its own.
_VECTOR = "(select array_agg(random() - 0.5 + {0} + 0 * d) from generate_series(1, 16) d where {1} > 0)::real[]::vector"


async def test_a_type_leaves_only_sources_of_that_type(space: int, service: SearchService) -> None:
    found = await service.search("water and bake", knowledge_types=["business"], limit=10)
    assert {hit.source_id for hit in found.hits} == {"garden"}


async def test_a_language_leaves_only_pages_in_it_whatever_the_region(space: int, service: SearchService) -> None:
    found = await service.search("asyncio bread tomatoes", languages=["de"], limit=10)
    assert {(hit.source_id, hit.language) for hit in found.hits} == {("garden", "de")}


async def test_filters_narrow_together(space: int, service: SearchService) -> None:
    found = await service.search("tomatoes", languages=["de"], source_ids=["kitchen"])
    assert (found.hits, found.reason) == ((), "filter_excludes_all")


async def test_what_may_be_filtered_is_listed(space: int, database: PostgresDatabase) -> None:
    assert await SearchRepository(database).filters() == [
        FilterValue("knowledge_type", "technical", 2),
        FilterValue("knowledge_type", "business", 1),
        FilterValue("language", "en", 2),
        FilterValue("language", "de", 1),
        FilterValue("tag", "cooking", 1),
        FilterValue("tag", "garden", 1),
        FilterValue("tag", "python", 1),
    ]


async def test_nothing_embedded_in_the_space_in_use_is_named(
    space: int, service: SearchService, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("delete from archon_chunk_vectors")
    found = await service.search("zebra")
    assert (found.hits, found.reason) == ((), "other_space")


async def test_a_result_says_what_it_was_asked_and_how_it_was_scored(space: int, service: SearchService) -> None:
    body = (await service.search("tomatoes", tags=["garden"], limit=1)).to_dict()
    assert body["filters"] == {"source_ids": [], "tags": ["garden"], "knowledge_types": [], "languages": []}
    weights, (row,) = body["scoring"], body["results"]  # type: ignore[misc]
    points = 1 / (weights["rank_constant"] + 1) * (1 + weights["keyword_weight"])  # type: ignore[index,call-overload,operator]
    assert row["fused_score"] == pytest.approx(points)  # type: ignore[index,call-overload]
    assert row["keyword_score"] > 0  # type: ignore[index,call-overload,operator]


async def test_a_page_says_which_passage_brought_it(space: int, service: SearchService) -> None:
    found = await service.search("water tomatoes at the root", mode="pages", limit=1)
    assert found.pages[0].best.content.startswith("Water tomatoes")


@pytest.fixture
async def crowd(database: PostgresDatabase, database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """4,000 chunks with random vectors: 1 % in `rare`, 10 % in `far`, which lies on the other side of all others."""
    await database.call(
        "archon_space_ensure", model="m", dimensions=DIMENSIONS, normalised=True, query_prefix="", passage_prefix=""
    )
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("select setseed(0.5)")
        await connection.execute("insert into archon_sources (source_id) values ('rare'), ('far'), ('most')")
        await connection.execute(
            "insert into archon_crawled_pages (id, url, chunk_number, content, source_id) select n, 'u', n, 'text',"
            " case when n % 100 = 0 then 'rare' when n % 10 = 1 then 'far' else 'most' end"
            f" from generate_series(1, {CHUNKS}) n"
        )
        vector = _VECTOR.format("case when n % 10 = 1 then 2 else 0 end", "n")
        await connection.execute(
            f"insert into archon_chunk_vectors (space_id, chunk_id, embedding)"
            f" select 1, n, {vector} from generate_series(1, {CHUNKS}) n"
        )
        await connection.execute("vacuum analyze")
        yield connection


async def _recall(connection: psycopg.AsyncConnection, function: str, source: str | None) -> float:
    """The share of the exact ten nearest among the ten nearest of `function`, which searches within `source`."""
    scope = f"array['{source}']" if source else "null"
    question = _VECTOR.format("-0.3", "q.n")
    cursor = await connection.execute(
        f"with q as materialized (select n, {question} as v from generate_series(1, {QUESTIONS}) q (n))"
        " select count(*) from q,"
        f" lateral (select i.chunk_id from {function}(1, q.v, {scope}, null, 10) i) as near"
        f" where near.chunk_id in (select e.chunk_id from archon_vector_exact(1, q.v, {scope}, null, 10) e)"
    )
    row = await cursor.fetchone()
    assert row is not None
    return float(row[0]) / (10 * QUESTIONS)


async def test_a_filter_that_leaves_one_in_a_hundred_keeps_the_nearest(crowd: psycopg.AsyncConnection) -> None:
    assert await _recall(crowd, "archon_vector_nearest", "rare") == 1


async def test_the_index_goes_on_until_it_has_enough_that_passes(crowd: psycopg.AsyncConnection) -> None:
    assert await _recall(crowd, "archon_vector_indexed", "rare") >= 0.97


async def test_filtered_chunks_far_from_the_question_are_found_too(crowd: psycopg.AsyncConnection) -> None:
    await crowd.execute("set hnsw.max_scan_tuples = 1")
    await crowd.execute("update pg_class set reltuples = 1 where relname = 'archon_crawled_pages'")
    assert await _recall(crowd, "archon_vector_nearest", "far") == 1


@pytest.mark.parametrize("source", [None, "rare", "most"])
async def test_vectors_that_are_in_no_index_yet_are_found_among_the_others(
    crowd: psycopg.AsyncConnection, source: str | None
) -> None:
    await crowd.execute("update archon_chunk_vectors set part = 1 where chunk_id % 2 = 0")
    await crowd.execute("analyze archon_chunk_vectors")
    assert await _recall(crowd, "archon_vector_indexed", source) >= 0.97
