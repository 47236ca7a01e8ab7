"""What has to be done now and then for the whole store, by one process of all: the one that holds the duty.

It notices that another embedding model was chosen, refreshes sources whose time has come, gives fresh vectors their
index, and forgets what is old.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from src.errors import ConfigurationError, Conflict, InvalidInput, NotFound, ProviderError, StoreError
from src.inference.models import Embedder
from src.store import jobs, schedules, spaces
from src.store.database import Database
from src.store.disk_room import DiskRoom

from .index_builder import IndexBuilder
from .progress import JobProgress
from .space import Ways

_log = structlog.get_logger("archon.ingest.caretaker")

_DUTY = "caretaker"
_LEASE_S = 30.0
_EVERY_S = 5.0
_LOOK_EVERY_S = 60.0
_TIDY_EVERY_S = 3600.0
_BEGIN_AGAIN_S = 3600.0
"""A change of the embedding model that failed is begun again by itself after so long, or once settings are saved."""

FEW_FRESH = 2_000
"""Fresh vectors that are not worth an index: reading them all takes about a millisecond."""
MANY_FRESH = 5_000
"""Those that get one while more come: reading them all takes 1.2 ms, their index 1.7; of twice as many 4.5 and 2.2 (384
dimensions, 200 candidates)."""
_RUSH_PER_S = 100
"""Vectors a second, above which no time is left to put parts together."""
_SOON_S = 1.0


def wants_index(fresh: int, *, rush: bool) -> bool:
    """Whether so many fresh vectors of a space should be indexed now."""
    return fresh >= MANY_FRESH if rush else fresh > FEW_FRESH


@dataclass(slots=True)
class Caretaker:
    """Does the duty while it runs. `visit` queues a due visit of a source; `queued` hears of new jobs."""

    database: Database
    worker: str
    embedder_factory: Callable[[], Awaitable[Embedder]]
    ways: Ways | None
    visit: Callable[[str], Awaitable[str | None]]
    queued: Callable[[], None]
    room: DiskRoom | None = None
    every_s: float = _EVERY_S
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _fresh_before: dict[int, int] = field(default_factory=dict)
    _counted_at: float = field(default_factory=time.monotonic)
    _next_s: float = field(init=False)
    _looked_at: float = float("-inf")
    _begun_at: dict[int, float] = field(default_factory=dict)
    _tidied_at: float = float("-inf")
    indexes: IndexBuilder = field(init=False)

    def __post_init__(self) -> None:
        self.indexes = IndexBuilder(self.database, self.room)
        self._next_s = self.every_s

    def nudge(self) -> None:
        """The settings may name another embedding model now."""
        self._looked_at = float("-inf")
        self._begun_at.clear()
        self._wake.set()

    async def run(self) -> None:
        """Look after the store until cancelled. Indexes are built beside everything else: one takes minutes."""
        async with asyncio.TaskGroup() as beside:
            beside.create_task(self.indexes.run())
            await self._look_after()

    async def _look_after(self) -> None:
        while True:
            self._wake.clear()
            try:
                if await jobs.take_duty(self.database, _DUTY, self.worker, lease_s=_LEASE_S):
                    await self._round()
            except StoreError as error:
                _log.warning("caretaker_waits", reason=error.message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._next_s):
                    await self._wake.wait()

    async def _round(self) -> None:
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            await self._look_quietly()
        await self.refresh_due()
        await self.index_some()
        if now - self._tidied_at >= _TIDY_EVERY_S:
            self._tidied_at = now
            await jobs.tidy(self.database)

    async def _look_quietly(self) -> None:
        try:
            await self.look_at_model()
        except (ConfigurationError, ProviderError) as error:
            _log.info("embedding_model_cannot_be_asked", reason=error.message)

    async def look_at_model(self, *, anew: bool = False) -> str | None:
        """Begin to re-embed where the settings name another model than the one that answers; the job's id.

        `anew`: also where a change to this model was stopped before, or has just failed.

        Raises:
            ConfigurationError, ProviderError: the chosen model cannot be asked.
            StoreError: the database cannot be asked.
        """
        if not anew and await spaces.answering(self.database) is None:
            return None
        identity = await (await self.embedder_factory()).identity()
        space = await spaces.open_space(
            self.database,
            model=identity.model,
            dimensions=identity.dimensions,
            normalised=identity.normalised,
            query_prefix=identity.query_prefix,
            passage_prefix=identity.passage_prefix,
            anew=anew,
        )
        if anew:
            self._begun_at.clear()
        await self._stop_changes_to_others(space.id)
        if space.state == "active":
            return await self._at_home(space)
        return await self._begin(space) if space.state == "building" else None

    async def _at_home(self, space: spaces.Space) -> str | None:
        """The settings name the space that answers; one that an older version left half filled is filled."""
        await spaces.forgive(self.database, but=space.id)
        if self.ways is not None:
            await spaces.set_way(self.database, space.id, await self.ways.chosen())
        others = [one for one in await spaces.every(self.database) if one.space.id != space.id and one.vectors]
        return await self._begin(space) if others else None

    async def _stop_changes_to_others(self, space_id: int) -> None:
        for job in await jobs.unfinished(self.database):
            if job.kind == "reembed" and job.request.get("space_id") != space_id:
                await jobs.stop(self.database, job.id)

    async def _begin(self, space: spaces.Space) -> str | None:
        now = time.monotonic()
        if now - self._begun_at.get(space.id, float("-inf")) < _BEGIN_AGAIN_S:
            return None  # it is under way, or failed: what it failed of would fail it again
        progress = JobProgress("", "reembed", message="Waiting to start", title=space.model)
        try:
            job = await jobs.create(
                self.database,
                kind="reembed",
                source_id=None,
                request={"space_id": space.id, "model": space.model, "dimensions": space.dimensions},
                progress=progress.to_row(),
            )
        except Conflict:
            return None  # it is under way, or the one to another model ends first
        self._begun_at[space.id] = now
        _log.info("reembedding_begins", model=space.model, job=job.id)
        self.queued()
        return job.id

    async def refresh_due(self) -> None:
        """Queue a new visit of every source whose time has come. Raises StoreError."""
        for source_id in await schedules.due(self.database, most=20):
            try:
                job = await self.visit(source_id)
                _log.info("refresh_by_schedule" if job else "refresh_left_out", source=source_id, job=job)
            except (NotFound, InvalidInput) as error:
                _log.warning("refresh_left_out", source=source_id, reason=error.message)

    async def index_some(self) -> None:
        """Close fresh parts that are large enough for an index, and have built and put together what waits.

        While much comes, the next look is soon, and what can wait does. Raises StoreError.
        """
        parts = await spaces.fresh_parts(self.database, most=2 * MANY_FRESH)
        now = time.monotonic()
        much = _RUSH_PER_S * (now - self._counted_at)
        rush = any(part.fresh - self._fresh_before.get(part.space_id, 0) > much for part in parts)
        closing = {part.space_id for part in parts if wants_index(part.fresh, rush=rush)}
        for space_id in closing:
            await spaces.close_fresh_part(self.database, space_id)
        self._counted_at = now
        self._fresh_before = {part.space_id: part.fresh for part in parts if part.space_id not in closing}
        self._next_s = min(_SOON_S, self.every_s) if rush else self.every_s
        self.indexes.wake(calm=not rush)
