"""Workers: claim a job, keep its lease, run it, and end it honestly. Any number of processes may do this at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import structlog

from src.errors import ArchonError, Conflict, DiskFull, NotFound, ProviderError, StoreError, StoreUnavailable
from src.store import job_sharing, jobs, sources, spaces
from src.store.database import Database
from src.store.disk_room import DiskRoom
from src.store.jobs import Job

from .crawl import crawl, help_crawl
from .fetch import FetchPolicy
from .patience import PatientDatabase
from .progress import Board, progress_of
from .reader import Readers
from .reembed import count_help, help_reembed, reembed
from .run import EmbedderFactory, Limits, Run, first_of
from .situating import NarratorFactory
from .space import Ways
from .tally import Tally, tally_of, tally_of_counts
from .upload import upload

_log = structlog.get_logger("archon.ingest.jobs")

Work = Callable[[Run], Awaitable[None]]
_WORK: dict[str, Work] = {"crawl": crawl, "refresh": crawl, "upload": upload, "reembed": reembed}
_HELP: dict[str, Work] = {"crawl": help_crawl, "refresh": help_crawl, "reembed": help_reembed}
_LARGE = 1000
"""Passages stored by a job after which the planner's statistics are renewed at once."""
_POSTPONED_AT_MOST_S = 300.0

Ended: TypeAlias = Literal["completed", "failed", "cancelled", "paused", "postponed"]


@dataclass(frozen=True, slots=True)
class Lease:
    """How a job is kept, in seconds; `attempts` is how often a job may lose its worker before it is given up."""

    lease_s: float = 30.0
    heartbeat_s: float = 2.0
    attempts: int = 5


def worker_name() -> str:
    """A name that tells whether its process still lives."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def gone_workers(open_jobs: Sequence[Job], living: str) -> list[str]:
    """Owners of leases on this machine whose process is gone, so that nobody has to wait for their leases."""
    owners = {job.lease_owner for job in open_jobs if job.lease_owner and job.lease_owner != living}
    return sorted(owner for owner in owners if _is_gone(owner))


def _is_gone(owner: str) -> bool:
    host, _, rest = owner.partition(":")
    process = rest.partition(":")[0]
    # On Windows os.kill would not ask, it would kill: there a lease has to run out.
    if sys.platform == "win32" or host != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@dataclass(slots=True)
class Worker:
    """Runs claimed jobs. `boards` holds the progress of those that run here."""

    database: Database
    embedder_factory: EmbedderFactory
    readers: Readers
    policy: FetchPolicy
    limits: Limits
    lease: Lease
    ways: Ways | None = None
    narrator_factory: NarratorFactory | None = None
    room: DiskRoom | None = None
    name: str = field(default_factory=worker_name)
    boards: dict[str, Board] = field(default_factory=dict)
    _nudges: dict[str, asyncio.Event] = field(default_factory=dict)
    _left: dict[str, int] = field(default_factory=dict)

    async def run(self, job: Job) -> None:
        """Work on a claimed job until it ends, is stopped, paused or taken over; cancelled, it gives the job back."""
        board = Board(progress_of(job).at(message="Starting", paced_at=datetime.now(UTC)))
        board.set(chunks_before=board.now.chunks_embedded, chunks_situated=0)
        if board.now.started_at is None or job.progress.get("started_at") is None:
            board.set(started_at=datetime.now(UTC))
        self.boards[job.id], self._nudges[job.id] = board, asyncio.Event()
        run = self._prepared(job, board)
        try:
            await self._to_its_end(run)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(run))
            raise
        except (Conflict, StoreError) as error:
            # It belongs to another worker, its embedding space was replaced, or the database stays away.
            _log.warning("job_left", job=job.id, reason=error.message)
            await self._leave(run, error)
        finally:
            self.boards.pop(job.id, None)
            self._nudges.pop(job.id, None)
            board.set()

    async def help(self, job: Job) -> None:
        """Share in a job that another worker leads, as long as there is something to share."""
        run = self._prepared(job, Board(progress_of(job)))
        work = asyncio.create_task(_guarded(run, _HELP[job.kind]))
        beat = asyncio.create_task(self._keep_helping(job.id))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled(work)
            await _cancelled(beat)
            with contextlib.suppress(StoreError):
                await asyncio.shield(job_sharing.leave(self.database, job.id, self.name))
        problem = None if work.cancelled() else work.exception() or work.result()
        _log.info("helped", job=job.id, pages=run.board.now.tally.pages_done, problem=problem and str(problem))
        if problem is not None:
            # Asked at once, it would fail of the same again; the others go on.
            await asyncio.sleep(self.limits.postpone_s)

    async def _keep_helping(self, job_id: str) -> None:
        while await job_sharing.keep_helping(self.database, job_id, self.name, lease_s=self.lease.lease_s):  # noqa: ASYNC110 - the store is asked again; nobody here could set an event
            await asyncio.sleep(self.lease.heartbeat_s)

    async def _leave(self, run: Run, error: ArchonError) -> None:
        """Give the job back; one that was left again and again for no outage of the database ends with the reason."""
        left = self._left[run.job.id] = self._left.get(run.job.id, 0) + 1
        if left < self.lease.attempts or isinstance(error, StoreUnavailable):
            await self._give_back(run)
            return
        del self._left[run.job.id]
        with contextlib.suppress(StoreError):
            await self._finish(run, "failed", error)

    async def _give_back(self, run: Run) -> None:
        with contextlib.suppress(StoreError):
            await jobs.release(self.database, run.job.id, self.name, progress=run.board.now.to_row())

    async def require_room(self) -> None:
        """See that the disk has room for more. Raises DiskFull."""
        if self.room is not None:
            await asyncio.to_thread(self.room.require)

    def nudge(self, job_id: str) -> None:
        """Look at once whether somebody asked to stop."""
        if job_id in self._nudges:
            self._nudges[job_id].set()

    def _prepared(self, job: Job, board: Board) -> Run:
        patient = PatientDatabase(self.database, self.limits.patience_s, board.note, self.limits.backoff_s)
        return Run(
            job=job,
            worker=self.name,
            source_id=job.source_id or "",
            database=patient,
            embedder_factory=self.embedder_factory,
            readers=self.readers,
            policy=self.policy,
            limits=self.limits,
            board=board,
            ways=self.ways,
            narrator_factory=self.narrator_factory,
        )

    async def _to_its_end(self, run: Run) -> None:
        if run.job.attempts > self.lease.attempts:
            error = StoreError(
                f"The job lost its worker {run.job.attempts - 1} times and is given up.",
                next_step="Look at the server's log for what ended it, then start it again; what is stored stays.",
            )
            await self._finish(run, "failed", error)
            return
        if run.job.cancel_requested:
            await self._finish(run, "cancelled", None)
            return
        await job_sharing.drop(run.database, run.job.id, self.name)
        state, failure = await self._worked(run)
        if state == "paused":
            run.board.note("Paused")
            await jobs.paused(run.database, run.job.id, self.name, progress=run.board.now.to_row())
        elif state == "postponed" and failure is not None:
            await self._postpone(run, failure)
        else:
            await self._finish(run, state, failure)

    async def _postpone(self, run: Run, failure: ArchonError) -> None:
        """The outage outlasts this worker's patience: the job waits in the queue."""
        elapsed_s = run.board.now.elapsed_s
        wait_s = min(max(self.limits.postpone_s, elapsed_s / 10), _POSTPONED_AT_MOST_S)
        run.board.note(f"Waiting: {failure.message} It is tried again in {wait_s:.0f} seconds.")
        await jobs.postpone(run.database, run.job.id, self.name, progress=run.board.now.to_row(), after_s=wait_s)

    async def _worked(self, run: Run) -> tuple[Ended, ArchonError | None]:
        """How the work ended. Raises Conflict when the lease was lost."""
        work = asyncio.create_task(_guarded(run, _WORK[run.job.kind]))
        beat = asyncio.create_task(self._keep(run))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            if beat.done():
                await _cancelled(work)
                return beat.result()
            return _ending(run, work.result())
        finally:
            await _cancelled(work)
            await _cancelled(beat)

    async def _keep(self, run: Run) -> tuple[Ended, ArchonError | None]:
        """Heartbeats, until somebody asks to stop or to pause or the disk fills. Raises Conflict: the lease is lost."""
        nudge = self._nudges[run.job.id]
        while True:
            try:
                await self.require_room()
            except DiskFull as error:
                return "failed", error
            wishes = await jobs.heartbeat(
                run.database, run.job.id, self.name, lease_s=self.lease.lease_s, progress=run.board.now.to_row()
            )
            if wishes.stop:
                run.board.set(status="stopping", message="Stopping")
                return "cancelled", None
            if wishes.pause:
                return "paused", None
            if wishes.helpers:
                await self._count_all(run)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.lease.heartbeat_s):
                    await nudge.wait()
            nudge.clear()

    async def _count_all(self, run: Run) -> None:
        """What others did for the job shows in its progress too."""
        if run.job.kind == "reembed":
            await count_help(run)
            return
        counts = await job_sharing.counts(run.database, run.job.id)
        tally = tally_of_counts(counts, run.board.now.tally.failures)
        found = sum(count.pages for count in counts)
        run.board.set(tally=tally, total_pages=max(found, run.board.now.total_pages))

    async def _finish(self, run: Run, state: str, failure: ArchonError | None) -> None:
        tally = await self._sum_up(run)
        messages = {"completed": "Done", "cancelled": "Stopped; what was stored stays"}
        message = failure.message if failure is not None else messages[state]
        run.board.note(message)
        detail = failure.to_dict() if failure is not None else None
        ending = {"status": state, "tally": tally, "detail": detail, "finished_at": datetime.now(UTC)}
        await jobs.finish(
            run.database,
            run.job.id,
            self.name,
            state=state,
            progress=run.board.now.at(**ending).to_row(),
            result=tally.to_dict(),
            error=detail,
        )
        # Only then do watchers hear of it: who begins the next work at once must not find this job still open.
        run.board.set(**ending)
        _log.info("job_ended", job=run.job.id, kind=run.job.kind, state=state, pages=tally.pages_stored)

    async def _sum_up(self, run: Run) -> Tally:
        tally = tally_of(await jobs.frontier(run.database, run.job.id))
        if not run.source_id:
            return replace(tally, chunks_stored=run.board.now.vectors_made)
        await sources.settle(run.database, run.source_id, better_title=run.board.now.title)
        if tally.chunks_stored >= _LARGE:
            await spaces.analyze(run.database)
        return tally


async def _guarded(run: Run, work: Work) -> ArchonError | None:
    """The job edge: whatever goes wrong inside becomes the job's reason. Raises Conflict when the lease is lost."""
    try:
        await work(run)
    except Conflict:
        raise
    except ArchonError as error:
        return error
    except BaseExceptionGroup as group:
        first = first_of(group)
        if isinstance(first, Conflict) or not isinstance(first, ArchonError):
            raise first from group
        return first
    except Exception as error:  # noqa: BLE001 - the job edge: a fault of ours must end one job, not the worker
        _log.exception("job_crashed", job=run.job.id)
        return ArchonError(f"Archon failed in a way it should not: {type(error).__name__}.")
    return None


def _ending(run: Run, failure: ArchonError | None) -> tuple[Ended, ArchonError | None]:
    if failure is None:
        return "completed", None
    if isinstance(failure, NotFound) and run.job.kind not in ("upload", "reembed"):
        return "cancelled", failure
    return ("postponed" if _outlasts(run, failure) else "failed"), failure


def _outlasts(run: Run, failure: ArchonError) -> bool:
    """Whether a job that has begun should wait for a server to come back."""
    is_outage = failure.retryable and isinstance(failure, ProviderError | StoreUnavailable)
    now = run.board.now
    has_passages = now.chunks_embedded > now.chunks_before or now.chunks_situated > 0
    has_begun = run.is_resumed or now.tally.pages_stored > 0 or has_passages
    return is_outage and has_begun and now.elapsed_s < run.limits.outage_s


async def _cancelled(task: asyncio.Task[object] | asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
