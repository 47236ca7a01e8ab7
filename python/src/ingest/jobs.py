"""Workers: claim a job, keep its lease, run it, and end it honestly. Any number of processes may do this at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from src.errors import ArchonError, Conflict, NotFound, StoreError
from src.store import jobs, sources
from src.store.database import Database
from src.store.jobs import Job

from .crawl import crawl
from .fetch import FetchPolicy
from .patience import PatientDatabase
from .progress import Board, progress_of, tally_of
from .reader import Readers
from .run import EmbedderFactory, Limits, Run, first_of
from .upload import upload

_log = structlog.get_logger("archon.ingest.jobs")

Work = Callable[[Run], Awaitable[None]]
_WORK: dict[str, Work] = {"crawl": crawl, "refresh": crawl, "upload": upload}


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
    name: str = field(default_factory=worker_name)
    boards: dict[str, Board] = field(default_factory=dict)
    _nudges: dict[str, asyncio.Event] = field(default_factory=dict)

    async def run(self, job: Job) -> None:
        """Work on a claimed job until it ends, is stopped or taken over; cancelled, it gives the job back."""
        board = Board(progress_of(job).at(message="Starting"))
        if board.now.started_at is None or job.progress.get("started_at") is None:
            board.set(started_at=datetime.now(UTC))
        self.boards[job.id], self._nudges[job.id] = board, asyncio.Event()
        run = self._prepared(job, board)
        try:
            await self._to_its_end(run)
        except asyncio.CancelledError:
            with contextlib.suppress(StoreError):
                await asyncio.shield(jobs.release(self.database, job.id, self.name, progress=board.now.to_row()))
            raise
        except (Conflict, StoreError) as error:
            # The job belongs to another worker, or the database stays away: its lease ends, another one goes on.
            _log.warning("job_left", job=job.id, reason=error.message)
        finally:
            self.boards.pop(job.id, None)
            self._nudges.pop(job.id, None)
            board.set()

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
        state, failure = await self._worked(run)
        await self._finish(run, state, failure)

    async def _worked(self, run: Run) -> tuple[str, ArchonError | None]:
        """How the work ended. Raises Conflict when the lease was lost."""
        work = asyncio.create_task(_guarded(run))
        beat = asyncio.create_task(self._keep(run))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            if beat.done():
                await _cancelled(work)
                beat.result()
                return "cancelled", None
            return _ending(run, work.result())
        finally:
            await _cancelled(work)
            await _cancelled(beat)

    async def _keep(self, run: Run) -> None:
        """Heartbeats, until somebody asks to stop. Raises Conflict when the lease is lost."""
        nudge = self._nudges[run.job.id]
        while True:
            asked = await jobs.heartbeat(
                run.database, run.job.id, self.name, lease_s=self.lease.lease_s, progress=run.board.now.to_row()
            )
            if asked:
                run.board.set(status="stopping", message="Stopping")
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.lease.heartbeat_s):
                    await nudge.wait()
            nudge.clear()

    async def _finish(self, run: Run, state: str, failure: ArchonError | None) -> None:
        tally = tally_of(await jobs.frontier(run.database, run.job.id))
        await sources.settle(run.database, run.source_id, better_title=run.board.now.title)
        messages = {"completed": "Done", "cancelled": "Stopped; what was stored stays"}
        message = failure.message if failure is not None else messages[state]
        run.board.note(message)
        detail = failure.to_dict() if failure is not None else None
        run.board.set(status=state, tally=tally, detail=detail, finished_at=datetime.now(UTC))
        await jobs.finish(
            run.database,
            run.job.id,
            self.name,
            state=state,
            progress=run.board.now.to_row(),
            result=tally.to_dict(),
            error=detail,
        )
        _log.info("job_ended", job=run.job.id, kind=run.job.kind, state=state, pages=tally.pages_stored)


async def _guarded(run: Run) -> ArchonError | None:
    """The job edge: whatever goes wrong inside becomes the job's reason. Raises Conflict when the lease is lost."""
    try:
        await _WORK[run.job.kind](run)
    except Conflict:
        raise
    except ArchonError as error:
        return error
    except BaseExceptionGroup as group:
        first = first_of(group)
        if not isinstance(first, ArchonError):
            raise
        return first
    except Exception as error:  # noqa: BLE001 - the job edge: a fault of ours must end one job, not the worker
        _log.exception("job_crashed", job=run.job.id)
        return ArchonError(f"Archon failed in a way it should not: {type(error).__name__}.")
    return None


def _ending(run: Run, failure: ArchonError | None) -> tuple[str, ArchonError | None]:
    if failure is None:
        return "completed", None
    if isinstance(failure, NotFound) and run.job.kind != "upload":
        return "cancelled", failure
    return "failed", failure


async def _cancelled(task: asyncio.Task[object] | asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
