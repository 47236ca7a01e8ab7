"""Passages stored straight, without a crawl: what benches of search run on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

import psycopg
from _corpora import Passage

from src.inference.models import Embedder, Vector
from src.store import spaces
from src.store.database import Database

SOURCE = "manual"


async def space_of(database: Database, embedder: Embedder) -> int:
    """The id of the embedder's space, made on first use."""
    identity = await embedder.identity()
    space = await spaces.ensure(
        database,
        model=identity.model,
        dimensions=identity.dimensions,
        normalised=identity.normalised,
        query_prefix=identity.query_prefix,
        passage_prefix=identity.passage_prefix,
    )
    return space.id


async def filled(
    url: str, database: Database, embedder: Embedder, passages: Sequence[Passage], vectors: Sequence[Vector]
) -> int:
    """Store the passages of one manual, numbered from 0 in their order; the space's id comes back."""
    space = await space_of(database, embedder)
    pages = {page: uuid.uuid4() for page in dict.fromkeys(passage.page for passage in passages)}
    titles = {passage.page: passage.title for passage in passages}
    async with await psycopg.AsyncConnection.connect(url) as connection, connection.cursor() as cursor:
        await cursor.execute("insert into archon_sources (source_id, title) values (%s, %s)", (SOURCE, SOURCE))
        await cursor.executemany(
            "insert into archon_page_metadata (id, source_id, url, full_content, word_count, char_count, title)"
            " values (%s, %s, %s, '', 0, 0, %s)",
            [(key, SOURCE, f"https://manual.test/{page}", titles[page]) for page, key in pages.items()],
        )
        target = "archon_crawled_pages (id, url, chunk_number, content, source_id, page_id, heading_path, metadata)"
        async with cursor.copy(f"copy {target} from stdin") as copy:
            for number, one in enumerate(passages):
                about = (pages[one.page], list(one.chunk.heading_path), json.dumps({"title": one.title}))
                await copy.write_row(
                    (number, f"https://manual.test/{one.page}", number, one.chunk.text, SOURCE, *about)
                )
        await without_index(connection, space)
        async with cursor.copy("copy archon_chunk_vectors (space_id, part, chunk_id, embedding) from stdin") as copy:
            for number, vector in enumerate(vectors):
                await copy.write_row((space, 0, number, "[" + ",".join(f"{value:.7g}" for value in vector) + "]"))
        await cursor.execute("select archon_part_index(%s, 0)", (space,))
    await settled(url)
    return space


async def without_index(connection: psycopg.AsyncConnection, space: int) -> None:
    """Take the index of part 0 away: built over all rows at once it is the same, and much sooner."""
    row = await (await connection.execute("select archon_part_index_name(%s, 0)", (space,))).fetchone()
    if row is None:
        raise SystemExit("the index of part 0 has no name")
    await connection.execute(f"drop index if exists {row[0]}")


async def settled(url: str) -> None:
    """What autovacuum does in time."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
