"""Parts for tests of whole jobs: a model server whose vectors follow from the text, and a service over it."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from src.config import REPOSITORY
from src.inference.chat import build_chat_model
from src.inference.client import Deadlines
from src.inference.embed import build_embedder
from src.inference.models import Embedder
from src.inference.retry import NO_RETRIES
from src.ingest.fetch import FetchPolicy
from src.ingest.jobs import Lease
from src.ingest.progress import JobProgress
from src.ingest.requests import CrawlRequest
from src.ingest.run import Limits
from src.ingest.service import IngestService
from src.ingest.situating import Narrator, NarratorFactory
from src.store.database import Database
from src.store.disk_room import DiskRoom
from tests.fakes.chosen import chosen
from tests.fakes.model_server import ModelServer, Reply, Request, embeddings

from .site import Site

POLICY = FetchPolicy(allow_private=True, max_bytes=1_000_000, backoff_s=0.01, idle_s=15.0, total_s=30.0, attempts=2)
LIMITS = Limits(patience_s=10.0, backoff_s=0.02)
LEASE = Lease(lease_s=5.0, heartbeat_s=0.2)


def vector_of(text: str, seed: str = "", size: int = 8) -> list[float]:
    """A vector that belongs to the text alone; another `seed` is another model."""
    digest = hashlib.sha256((seed + text).encode()).digest()
    return [(byte - 127.5) / 128 for byte in digest[:size]]


def embed_reply(seed: str = "", size: int = 8) -> Callable[[Request], Reply]:
    """What an embedding server answers."""

    def answer(request: Request) -> Reply:
        return Reply(body=embeddings([vector_of(text, seed, size) for text in request.json()["input"]]))

    return answer


def embedded_texts(models: ModelServer) -> list[str]:
    """Every text that was sent to be embedded."""
    return [text for request in models.asked("/v1/embeddings") for text in request.json()["input"]]


def factory_for(url: str) -> Callable[[], object]:
    async def factory() -> Embedder:
        return build_embedder(chosen("embedding", VLLM_BASE_URL=url))

    return factory


def narrators(url: str, at_once: int = 3, deadlines: Deadlines | None = None) -> NarratorFactory:
    """A narrator over a chat server."""
    made = Narrator(build_chat_model(chosen("llm", VLLM_BASE_URL=url), deadlines=deadlines, policy=NO_RETRIES), at_once)

    async def factory() -> Narrator:
        return made

    return factory


@asynccontextmanager
async def open_service(
    database: Database,
    model_url: str,
    *,
    policy: FetchPolicy = POLICY,
    limits: Limits = LIMITS,
    started: bool = True,
    narrators: NarratorFactory | None = None,
    room: DiskRoom | None = None,
) -> AsyncIterator[IngestService]:
    """A service at work; given back at the end."""
    service = IngestService(
        database,
        factory_for(model_url),  # type: ignore[arg-type]
        policy,
        limits=limits,
        lease=LEASE,
        narrator_factory=narrators,
        max_upload_bytes=2_000_000,
        room=room,
    )
    if started:
        await service.resume_interrupted()
    try:
        yield service
    finally:
        await service.close()


@asynccontextmanager
async def worker(database_url: str, model_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own, to be killed; gone afterwards."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.ingest.worker_process", database_url, model_url), cwd=REPOSITORY / "python"
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(service: IngestService, job_id: str) -> JobProgress:
    """The last word on a job."""
    *_, last = [progress async for progress in service.watch(job_id)]
    return last


async def until(service: IngestService, job_id: str, holds: Callable[[JobProgress], bool]) -> JobProgress:
    """The first moment for which `holds` is true."""
    async for progress in service.watch(job_id):
        if holds(progress):
            return progress
    raise AssertionError("the job ended before")


async def past_the_first_page(site: Site, service: IngestService, start: str) -> JobProgress:
    """A crawl of `small_site` whose first page is stored before the site gives the others.

    Passages of several pages share a request: what happens to the others' would happen to the first page's too.
    """
    stored = asyncio.Event()
    for name in "ab":
        [page] = site.answers[f"/docs/{name}.html"]
        page.hold = stored
    job = await service.start_crawl(CrawlRequest(start))
    progress = await until(service, job, lambda progress: progress.tally.pages_stored == 1)
    stored.set()
    return progress
