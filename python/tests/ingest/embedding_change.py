"""Two models that embed, the way to each written down, and a search in the space that answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from src.errors import FormerModelAway, JsonValue, ProviderError
from src.inference.embed import build_embedder
from src.inference.models import Embedder
from src.ingest.progress import JobProgress
from src.ingest.service import IngestService
from src.search.query import SearchService
from src.settings.embedding_ways import AnsweringEmbedder
from src.store import jobs, spaces
from src.store.database import Database
from tests.fakes.chosen import chosen

from .parts import LEASE, LIMITS, POLICY, ended


@dataclass
class Chosen:
    """The embedding server that the settings would name; change `url` to choose another one."""

    url: str

    async def __call__(self) -> Embedder:
        return build_embedder(chosen("embedding", VLLM_BASE_URL=self.url))


@dataclass
class Ways:
    """Ways by address alone."""

    now: Chosen

    async def chosen(self) -> Mapping[str, JsonValue]:
        return {"url": self.now.url}

    async def embedder(self, space: spaces.Answering) -> Embedder:
        embedder = build_embedder(chosen("embedding", VLLM_BASE_URL=str((space.way or {}).get("url"))))
        try:
            await embedder.identity()
        except ProviderError as error:
            raise FormerModelAway(error.message) from error
        return embedder


@asynccontextmanager
async def open_changing(database: Database, now: Chosen, *, started: bool = True) -> AsyncIterator[IngestService]:
    """A service whose embedding model may be changed while it works."""
    service = IngestService(database, now, POLICY, ways=Ways(now), limits=LIMITS, lease=LEASE)
    if started:
        await service.resume_interrupted()
    try:
        yield service
    finally:
        await service.close()


def search_with(database: Database, now: Chosen) -> SearchService:
    return SearchService(database, AnsweringEmbedder(database, now, Ways(now)))  # type: ignore[arg-type]


async def change(service: IngestService, now: Chosen, url: str) -> str:
    """Choose the server at `url`; the id of the job that embeds all anew."""
    now.url = url
    job = await service.caretaker.look_at_model()
    assert job is not None
    return job


async def changed(service: IngestService, now: Chosen, url: str) -> JobProgress:
    return await ended(service, await change(service, now, url))


async def reembedding(database: Database) -> list[jobs.Job]:
    return [job for job in (await jobs.listed(database)).items if job.kind == "reembed"]
