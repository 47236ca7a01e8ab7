"""A small store to search in, embedded by a real model server, and the embedder that does it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import httpx
import psycopg
from psycopg.types.json import Jsonb

from src.errors import ContextTooLong
from src.inference.models import Embedded, Embedder, EmbeddingIdentity, Vector
from src.store.database import Database


class WireEmbedder:
    """The embedder's protocol over one vLLM server, with nothing between: no retries, no pacing."""

    model = "all-minilm-l6-v2"
    provider = "test"

    def __init__(self, url: str, *, model_name: str = "all-minilm-l6-v2") -> None:
        self._url = url
        self._identity = EmbeddingIdentity(model_name, 384)

    async def identity(self) -> EmbeddingIdentity:
        return self._identity

    async def max_tokens(self) -> int | None:
        return 254

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        async with httpx.AsyncClient(timeout=60) as client:
            answers = [await client.post(f"{self._url}/tokenize", json={"prompt": text}) for text in texts]
        return [answer.json()["count"] - 2 for answer in answers]

    async def embed_passages(self, texts: Sequence[str], *, somebody_waits: bool = False) -> list[Embedded]:
        return [Embedded(vector) for vector in await self._embed(texts)] if texts else []

    async def embed_query(self, text: str) -> Vector:
        return (await self._embed([text]))[0]

    async def _embed(self, texts: Sequence[str]) -> list[Vector]:
        async with httpx.AsyncClient(timeout=60) as client:
            body = {"model": self.model, "input": list(texts)}
            answer = await client.post(f"{self._url}/v1/embeddings", json=body)
        if answer.status_code == 400:
            raise ContextTooLong(answer.json()["error"]["message"])
        answer.raise_for_status()
        return [array("f", item["embedding"]) for item in answer.json()["data"]]


@dataclass(frozen=True)
class Page:
    """A page of the shelf; each passage becomes a chunk."""

    url: str
    title: str
    passages: tuple[str, ...]
    heading_path: tuple[str, ...] = ()
    source_id: str = "shelf"
    tags: tuple[str, ...] = ()
    knowledge_type: str = "technical"
    language: str = "en"


async def fill(url: str, database: Database, embedder: Embedder, pages: Sequence[Page]) -> int:
    """Store `pages` in the space of `embedder` and return the space's id."""
    identity = await embedder.identity()
    ensured = await database.call(
        "archon_space_ensure",
        model=identity.model,
        dimensions=identity.dimensions,
        normalised=True,
        query_prefix="",
        passage_prefix="",
    )
    space = int(str(ensured[0]["id"]))
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for page in pages:
            outcomes = await embedder.embed_passages(page.passages)
            await _store(connection, space, page, [outcome.vector for outcome in outcomes])
    return space


async def _store(connection: psycopg.AsyncConnection, space: int, page: Page, vectors: Sequence[Vector | None]) -> None:
    await connection.execute(
        "insert into archon_sources (source_id, title, metadata) values (%s, %s, %s) on conflict do nothing",
        (
            page.source_id,
            page.source_id,
            Jsonb({"tags": list(page.tags), "knowledge_type": page.knowledge_type}),
        ),
    )
    row = await (
        await connection.execute(
            "insert into archon_page_metadata"
            " (source_id, url, full_content, word_count, char_count, title, language, chunk_count)"
            " values (%s, %s, %s, %s, 1, %s, %s, %s) returning id",
            (
                *(page.source_id, page.url, "\n".join(page.passages), len(page.passages)),
                *(page.title, page.language, len(page.passages)),
            ),
        )
    ).fetchone()
    assert row is not None
    insert = partial(_store_chunk, connection, space, page, row[0])
    for number, (text, vector) in enumerate(zip(page.passages, vectors, strict=True)):
        await insert(number, text, vector)


async def _store_chunk(
    connection: psycopg.AsyncConnection,
    space: int,
    page: Page,
    page_id: object,
    number: int,
    text: str,
    vector: Vector | None,
) -> None:
    cursor = await connection.execute(
        "insert into archon_crawled_pages (url, chunk_number, content, source_id, page_id, heading_path, metadata)"
        " values (%s, %s, %s, %s, %s, %s, %s) returning id",
        (page.url, number, text, page.source_id, page_id, list(page.heading_path), Jsonb({"title": page.title})),
    )
    row = await cursor.fetchone()
    assert row is not None
    if vector is not None:
        await connection.execute(
            "insert into archon_chunk_vectors (space_id, chunk_id, embedding) values (%s, %s, %s::text::vector)",
            (space, row[0], str(list(vector))),
        )


PAGES = (
    Page(
        "https://docs.test/asyncio-task",
        "Coroutines and Tasks",
        (
            "asyncio.gather runs awaitable objects concurrently and waits until all of them are done.",
            "A task group holds several tasks and waits for them when its block ends.",
            "asyncio.sleep suspends the current task, so that other tasks can run.",
        ),
        ("Running Tasks Concurrently",),
        tags=("python",),
    ),
    Page(
        "https://docs.test/json",
        "JSON encoder and decoder",
        (
            "json.dumps turns a Python object into a JSON formatted string.",
            "json.loads reads a string that holds a JSON document and returns a Python object.",
        ),
        ("Basic Usage",),
        tags=("python",),
    ),
    Page(
        "https://kitchen.test/bread",
        "Sourdough bread",
        (
            "Feed the starter the evening before and let the dough rise overnight in a cool place.",
            "Bake the loaf in a hot oven with steam for the first fifteen minutes.",
        ),
        ("Baking",),
        source_id="kitchen",
        tags=("cooking",),
    ),
    Page(
        "https://garden.test/tomatoes",
        "Growing tomatoes",
        (
            "Water tomatoes at the root and remove the side shoots every week.",
            "Plant the seedlings outside after the last frost of spring.",
        ),
        ("Vegetables",),
        source_id="garden",
        tags=("garden",),
        knowledge_type="business",
        language="de-AT",
    ),
)
