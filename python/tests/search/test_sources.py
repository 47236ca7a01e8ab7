"""What a source's page needs: sizes, freshness, problems; and how sources are found among others."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.types.json import Jsonb

from src.store import sources
from src.store.postgres import PostgresDatabase
from src.store.sources import SourceProblem

REASON = {"error": "It answered 404.", "code": "http_404", "next_step": "Look."}


@pytest.fixture
async def shelf(database: PostgresDatabase, database_url: str) -> PostgresDatabase:
    """`good` with a page of 300 characters, `bad` whose newest job lost one, both with tags; `empty` with neither."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        for name, words in (("good", 5), ("bad", 9), ("empty", 0)):
            await connection.execute(
                "insert into archon_sources (source_id, title, metadata, total_word_count, source_url)"
                " values (%s, %s, %s, %s, %s)",
                (name, name.title(), Jsonb({"tags": [name]}), words, f"https://{name}.test/"),
            )
        await connection.execute(
            "insert into archon_page_metadata"
            " (source_id, url, full_content, word_count, char_count, language, fetched_at)"
            " values ('good', 'u', '', 5, 300, 'en-US', '2026-11-20T10:00:00Z')"
        )
        await connection.execute(
            "insert into archon_jobs (id, kind, state, source_id, request, result, finished_at) values"
            " ('00000000-0000-0000-0000-000000000001', 'crawl', 'completed', 'bad', '{}', %s, now())",
            (Jsonb({"pages_failed": 1}),),
        )
        await connection.execute(
            "insert into archon_job_pages (job_id, url_key, url, depth, state, error) values"
            " ('00000000-0000-0000-0000-000000000001', 'k', 'https://bad.test/gone', 1, 'failed', %s)",
            (Jsonb(REASON),),
        )
    return database


async def test_a_source_knows_its_size_and_when_it_was_read(shelf: PostgresDatabase) -> None:
    good = await sources.get(shelf, "good")
    read = good.last_read_at
    assert (good.page_count, good.char_count, good.languages, read and read.day) == (1, 300, ("en",), 20)


async def test_sources_with_trouble_are_found_and_say_what_failed(shelf: PostgresDatabase) -> None:
    found = await sources.summaries(shelf, troubled=True)
    assert [one.source_id for one in found.items] == ["bad"]
    assert await sources.problems(shelf, "bad") == [SourceProblem("https://bad.test/gone", {**REASON})]
    assert await sources.problems(shelf, "good") == []


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({"sort": "title"}, ["bad", "empty", "good"]),
        ({"sort": "words"}, ["bad", "good", "empty"]),
        ({"tag": "good"}, ["good"]),
        ({"search": "bad.test"}, ["bad"]),
        ({"knowledge_type": "business"}, []),
    ],
)
async def test_sources_are_sorted_and_narrowed(shelf: PostgresDatabase, asked: dict[str, str], ids: list[str]) -> None:
    found = await sources.summaries(shelf, **asked)  # type: ignore[arg-type]
    assert ([one.source_id for one in found.items], found.total) == (ids, len(ids))
