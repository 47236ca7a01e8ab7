"""The ingest room as the server and workers on other machines have it, and the embedder for what it stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from src.config import Environment, keep_free_bytes
from src.inference.embed import build_embedder
from src.inference.models import Embedder
from src.inference.pool import close_pool
from src.inference.registry import load_registry
from src.ingest.fetch import FetchPolicy
from src.ingest.service import IngestService
from src.settings import SecretBox, SettingsService
from src.settings.embedding_ways import AnsweringEmbedder, EmbeddingWays
from src.store.database import Database
from src.store.place import open_store, place_of

from .limits import MAX_FILE_BYTES
from .models import ModelInUse
from .narrator import ChosenNarrator


def ingest_room(
    environment: Environment,
    database: Database,
    settings: SettingsService,
    embedder: ModelInUse[Embedder],
    *,
    max_jobs: int = 3,
) -> tuple[IngestService, AnsweringEmbedder]:
    """Takes knowledge in; and the embedder whose vectors may be compared with what is stored.

    Raises:
        ConfigurationError: ARCHON_KEEP_FREE_MB is no number.
    """
    ways = EmbeddingWays(settings, embedder)
    ingest = IngestService(
        database,
        embedder,
        FetchPolicy(allow_private=environment.allow_private_addresses),
        ways=ways,
        narrator_factory=ChosenNarrator(settings),
        max_jobs=max_jobs,
        max_upload_bytes=MAX_FILE_BYTES,
        room=place_of(environment).room(keep_free_bytes(environment)),
    )
    settings.on_saved(ingest.caretaker.nudge)
    return ingest, AnsweringEmbedder(database, embedder, ways)


@asynccontextmanager
async def open_worker(environment: Environment, *, max_jobs: int) -> AsyncIterator[IngestService]:
    """A worker without a server, over the store that the environment names; unfinished work is given back at the end.

    Raises:
        StoreUnavailable, MigrationNeeded, StoreError: the database cannot be used; an embedded one must run already.
        ConfigurationError: the database's address, the secret key or a provider file cannot be used.
    """
    place_of(environment).running()
    async with open_store(environment) as (database, _applied):
        secrets = SecretBox.of(environment.secret_key, environment.data_dir)
        settings = SettingsService(database, secrets, environment, load_registry())
        embedder: ModelInUse[Embedder] = ModelInUse(settings, "embedding", build_embedder)
        ingest, _answering = ingest_room(environment, database, settings, embedder, max_jobs=max_jobs)
        try:
            await ingest.resume_interrupted()
            yield ingest
        finally:
            await ingest.close()
            await close_pool()
