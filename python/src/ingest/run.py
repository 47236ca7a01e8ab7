"""A job under way: what its stages share, and how they run side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from src.errors import ArchonError, IngestError, JsonValue, NotFound, ProviderError, StoreError
from src.inference.models import Embedder
from src.store import jobs
from src.store.database import Database
from src.store.jobs import Job
from src.store.pages import WorkPlace

from .embedding import SILENCE_S, EmbedStage, Gauge, belongs_to_text
from .fetch import FetchPolicy
from .intake import DEFAULT_MAX_TOKENS, Intake
from .patience import Patience
from .progress import Board, progress_of
from .reader import Readers
from .situating import NarratorFactory, open_situating, room_for
from .space import Entrance, Ways, open_space, space_to_write
from .tokens import DEFAULT_RATIO

EmbedderFactory = Callable[[], Awaitable[Embedder]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much goes on at once, and how long an outage may last (seconds)."""

    fetchers: int = 8
    writers: int = 384
    patience_s: float = 180.0
    backoff_s: float = 0.5
    outage_s: float = 12 * 3600.0
    postpone_s: float = 15.0
    """An outage that outlasts `patience_s` puts a job that has begun back into the queue, for `postpone_s` at first."""
    silence_s: float = SILENCE_S
    """After so long without an answer, a model server is proven again before a vector of its is taken."""


@dataclass(frozen=True, slots=True)
class Run:
    """One job and everything that its stages need."""

    job: Job
    worker: str
    source_id: str
    database: Database
    embedder_factory: EmbedderFactory
    readers: Readers
    policy: FetchPolicy
    limits: Limits
    board: Board
    ways: Ways | None = None
    narrator_factory: NarratorFactory | None = None

    @property
    def is_resumed(self) -> bool:
        """Whether another worker began with it."""
        return self.job.progress.get("started_at") is not None

    @property
    def leads(self) -> bool:
        """Whether the job is this worker's, and not one that it helps with."""
        return self.job.lease_owner == self.worker

    def place(self, frontier_key: str) -> WorkPlace:
        """Where the page of an address is written."""
        return WorkPlace(self.job.id, self.worker, self.source_id, frontier_key)

    async def fail_page(self, key: str, url: str, error: ArchonError) -> None:
        """Keep the reason why a page was not stored. Raises Conflict, StoreError."""
        await jobs.settle_address(self.database, self.job.id, self.worker, key, state="failed", error=error.to_dict())
        self.board.set(tally=self.board.now.tally.failed(url, error))


@asynccontextmanager
async def open_intake(run: Run, metadata: dict[str, JsonValue]) -> AsyncIterator[Intake]:
    """The way into the store, with its embedding stage under way.

    Raises:
        ConfigurationError: the settings name no usable embedding server, or its weights are others than those stored;
            or no chat model, where contexts are wanted.
        ProviderError, StoreError: they cannot be asked, or fail for good while the block runs.
    """
    patience = Patience(run.limits.patience_s, run.board.note, run.limits.backoff_s)
    entrance = await run_entrance(run, patience)
    embedder, space = entrance.embedder, entrance.space
    max_tokens = await embedder.max_tokens() or DEFAULT_MAX_TOKENS
    situating = await open_situating(
        run.database,
        run.narrator_factory,
        patience=Patience(run.limits.patience_s, run.board.note, run.limits.backoff_s),
        tell=run.board.situated,
        max_tokens=max_tokens,
    )
    prove = partial(open_space, run.database, embedder)
    stage = EmbedStage(
        embedder, space.dimensions, patience, run.board.embedded, prove=prove, silence_s=run.limits.silence_s
    )
    intake = Intake(
        database=run.database,
        readers=run.readers,
        embedding=stage,
        gauge=await _gauge(run, embedder, space.id),
        space_id=space.id,
        max_tokens=max_tokens - (room_for(max_tokens) if situating else 0),
        metadata=metadata,
        situating=situating,
    )
    async with alongside(stage.run()):
        yield intake


async def _gauge(run: Run, embedder: Embedder, space_id: int) -> Gauge:
    """As the source's pages were cut last: by another ratio, text that did not change would be other passages."""
    for job in await jobs.of_source(run.database, run.source_id):
        former = progress_of(job)
        if former.space_id == space_id and former.tokens_ratio not in (0.0, DEFAULT_RATIO):
            return Gauge.known(embedder, former.tokens_ratio)
    return Gauge(embedder)


async def run_entrance(run: Run, patience: Patience) -> Entrance:
    """Embedder and space. A job that goes on after a restart waits for a model server that restarts too."""
    while True:
        try:
            return await space_to_write(run.database, await run.embedder_factory(), run.ways)
        except ProviderError as error:
            if not run.is_resumed:
                raise
            await patience.wait(error)


@asynccontextmanager
async def alongside(work: Awaitable[None]) -> AsyncIterator[None]:
    """`work` runs while the block does, and ends with it; if it fails, the block is cancelled and its error raised."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_awaited(work))
            yield
            task.cancel()
    except BaseExceptionGroup as group_error:
        raise first_of(group_error) from group_error


async def _awaited(work: Awaitable[None]) -> None:
    await work


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that made a group of tasks fail: ours before any other."""
    leaves: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop(0)
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, ArchonError)), leaves[0])


def ends_page_only(error: ArchonError) -> bool:
    """Whether an error is one page's own, so that the job goes on."""
    if isinstance(error, NotFound | StoreError):
        return False
    return isinstance(error, IngestError) or belongs_to_text(error)
