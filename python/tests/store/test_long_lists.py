"""Lists that are longer than a REST face gives at once (1,000 rows) come whole, over every adapter."""

from __future__ import annotations

import psycopg
import pytest

from src.store import code_examples, jobs, page_chunks, pages, sources
from src.store.conversations import ConversationRepository
from src.store.database import Database
from src.store.search import SearchRepository

MANY = 1_100
_FILL = (
    "insert into archon_sources (source_id, title, metadata)"
    " select 's' || n, 'Source ' || n, jsonb_build_object('tags', jsonb_build_array('tag ' || n))"
    " from generate_series(1, %(many)s) n",
    "insert into archon_page_metadata (source_id, url, url_key, full_content, section_order, word_count, char_count)"
    " select 's1', 'https://x/' || n, 'https://x/' || n, 'text', n, 1, 4 from generate_series(1, %(many)s) n",
    "insert into archon_crawled_pages (source_id, page_id, url, chunk_number, content)"
    " select 's1', p.id, p.url, n, 'passage' from archon_page_metadata p, generate_series(1, %(many)s) n"
    " where p.url = 'https://x/1'",
    "insert into archon_code_examples (source_id, page_id, url, chunk_number, content, summary)"
    " select 's1', p.id, p.url, n, 'code', 'words' from archon_page_metadata p, generate_series(1, %(many)s) n"
    " where p.url = 'https://x/1'",
    "insert into archon_jobs (kind, state, source_id, request)"
    " select 'crawl', 'queued', 's' || n, '{}' from generate_series(1, %(many)s) n",
    "insert into archon_conversations (title) select 'About ' || n from generate_series(1, %(many)s) n",
)


@pytest.fixture
async def filled(database: Database, admin_url: str) -> Database:
    """A store with more than a thousand of everything that people see in lists."""
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as connection:
        for statement in _FILL:
            await connection.execute(statement, {"many": MANY})
    return database


async def test_every_list_comes_whole(filled: Database) -> None:
    listed = await sources.summaries(filled, per_page=5_000)
    last = await sources.summaries(filled, per_page=100, page=11, sort="title")
    assert (listed.total, len(listed.items), len(last.items)) == (MANY, MANY, 100)
    assert len(await pages.listing(filled, "s1")) == MANY
    assert len(await pages.addresses(filled, "s1")) == MANY
    found = await pages.chunks(filled, "s1", limit=5_000)
    assert (found.total, len(found.items)) == (MANY, MANY)
    page = await pages.by_url(filled, "https://x/1")
    assert len((await page_chunks.from_page(filled, page.id, 0, 5_000)).hits) == MANY
    examples = await code_examples.of_source(filled, "s1", limit=5_000)
    assert (examples.total, len(examples.items)) == (MANY, MANY)
    assert len([one for one in await SearchRepository(filled).filters() if one.kind == "tag"]) == MANY
    assert len(await jobs.unfinished(filled)) == MANY
    assert len((await jobs.listed(filled, limit=5_000)).items) == MANY
    store = ConversationRepository(filled)
    assert (len(await store.recent(5_000)), len(await store.find("about", 5_000))) == (MANY, MANY)
