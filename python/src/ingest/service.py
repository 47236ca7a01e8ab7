"""The door of the ingest room: start, stop, watch, refresh. Jobs run in this process and survive it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from pathlib import PurePosixPath

import structlog

from src.errors import Conflict, DocumentTooLarge, ErrorContext, InvalidInput, StoreError
from src.store import job_sharing, jobs, reembedding, schedules, sources
from src.store.database import Database
from src.store.disk_room import DiskRoom
from src.store.jobs import Job

from .addresses import checked_url, source_id_of_file, source_id_of_url
from .caretaker import Caretaker
from .fetch import FetchPolicy
from .guard import Guard
from .jobs import Lease, Worker, gone_workers
from .kinds import kind_of
from .progress import JobProgress, progress_of
from .reader import Readers
from .requests import CrawlRequest, UploadRequest, crawl_of_json, crawl_to_json
from .run import EmbedderFactory, Limits
from .situating import NarratorFactory
from .space import Ways

_log = structlog.get_logger("archon.ingest.service")
_POLL_S = 5.0
_WATCH_S = 0.25
_AGAIN_S = 300.0
"""After so many seconds a scheduled visit is tried again whose source was being worked on."""
_HELP_FROM = 16
"""Addresses that must wait in somebody else's crawl before a worker with nothing to do joins it."""
MOST_RETRIES = 20
_LONGEST_NAME = 200


class IngestService:
    """Takes knowledge in. `resume_interrupted` begins the work; `close` gives unfinished jobs back."""

    def __init__(
        self,
        database: Database,
        embedder_factory: EmbedderFactory,
        fetch_policy: FetchPolicy | None = None,
        *,
        ways: Ways | None = None,
        narrator_factory: NarratorFactory | None = None,
        cares: bool = True,
        limits: Limits | None = None,
        lease: Lease | None = None,
        max_jobs: int = 3,
        max_upload_bytes: int = 50_000_000,
        room: DiskRoom | None = None,
    ) -> None:
        self._database = database
        self._readers = Readers()
        self._policy = fetch_policy or FetchPolicy()
        self._worker = Worker(
            database,
            embedder_factory,
            self._readers,
            self._policy,
            limits or Limits(),
            lease or Lease(),
            ways,
            narrator_factory,
            room,
        )
        self.caretaker = Caretaker(
            database, self._worker.name, embedder_factory, ways, self.refresh_if_due, self._wake_up, room
        )
        self._poll_s = min(_POLL_S, self._worker.limits.postpone_s)
        self._cares = cares
        self._max_jobs = max_jobs
        self._max_upload_bytes = max_upload_bytes
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    @property
    def worker_name(self) -> str:
        """What this process is called in the jobs it works on."""
        return self._worker.name

    async def start_crawl(self, request: CrawlRequest) -> str:
        """Queue a crawl; its job id comes back at once.

        Raises:
            InvalidInput, AddressRefused: the address or a number cannot be used.
            Conflict: this source is being worked on already.
            DiskFull: there is no room for it.
            StoreError: the job cannot be stored.
        """
        request = replace(request.checked(), url=checked_url(request.url))
        Guard(self._policy.allow_private).check_url(request.url)
        return await self._queue_crawl("crawl", source_id_of_url(request.url), request)

    async def start_upload(self, request: UploadRequest) -> str:
        """Queue a file; its job id comes back at once.

        Raises:
            InvalidInput: it has no name or no content.
            DocumentUnreadable: it is of a kind that Archon does not read.
            DocumentTooLarge: it passes the limit for uploads.
            Conflict: the same file is being worked on already.
            DiskFull: there is no room for it.
            StoreError: the job cannot be stored.
        """
        filename = _short_name(request.filename)
        if not filename or not request.content:
            raise InvalidInput(
                "The file is empty." if filename else "The file has no name.",
                next_step="Choose another file.",
                context=ErrorContext(field="file"),
            )
        if len(request.content) > self._max_upload_bytes:
            raise DocumentTooLarge(
                f"The file is larger than the limit of {self._max_upload_bytes / 1_000_000:g} MB.",
                next_step="Split it into smaller parts.",
                context=ErrorContext(field="file"),
            )
        kind = kind_of(request.content_type.partition(";")[0].strip().lower(), f"file:///{filename}")
        source_id = source_id_of_file(filename, request.content)
        await self._worker.require_room()
        progress = JobProgress("", "upload", source_id=source_id, filename=filename, file_type=kind)
        job = await jobs.create_upload(
            self._database,
            source_id=source_id,
            request={
                "filename": filename,
                "content_type": request.content_type.partition(";")[0].strip().lower(),
                "knowledge_type": request.knowledge_type,
                "tags": list(request.tags),
                "extract_code_examples": request.extract_code_examples,
            },
            progress=progress.to_row(),
            content=request.content,
        )
        return self._queued(job)

    async def refresh(self, source_id: str) -> str:
        """Queue a new visit of a crawled source: only what changed is embedded, vanished pages go.

        Raises:
            NotFound: there is no such source.
            InvalidInput: it was uploaded, so there is no address to visit.
            Conflict: it is being worked on already.
            DiskFull: there is no room for it.
            StoreError: the job cannot be stored.
        """
        return await self._queue_crawl("refresh", source_id, await self._visit_of(source_id))

    async def refresh_if_due(self, source_id: str) -> str | None:
        """Queue the visit that a source's schedule wants now; None where it is not due, or is being worked on.

        Raises:
            NotFound, InvalidInput: as of `refresh`.
            StoreError: the job cannot be stored; the visit is due as before.
        """
        request = await self._visit_of(source_id)
        job = await schedules.begin(
            self._database,
            source_id,
            request=crawl_to_json(request),
            progress=JobProgress("", "refresh", source_id=source_id, url=request.url).to_row(),
            again_s=_AGAIN_S,
        )
        return None if job is None else self._queued(job)

    async def _visit_of(self, source_id: str) -> CrawlRequest:
        source = await sources.get(self._database, source_id)
        url = str(source.metadata.get("original_url") or source.url)
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(
                "This source was uploaded; there is no address to visit again.",
                next_step="Upload the new version of the file and delete this one.",
            )
        return replace(crawl_of_json({"url": source.url, **source.metadata}), url=url)

    async def stop(self, job_id: str) -> JobProgress:
        """Ask a job to stop; what it stored stays. Raises NotFound, InvalidInput (no uuid), StoreError."""
        job = await jobs.stop(self._database, job_id)
        self._worker.nudge(job_id)
        return progress_of(job)

    async def progress(self, job_id: str) -> JobProgress:
        """How far a job is, whoever works on it. Raises NotFound, InvalidInput (no uuid), StoreError."""
        board = self._worker.boards.get(job_id)
        return board.now if board is not None else progress_of(await jobs.get(self._database, job_id))

    async def running(self) -> list[JobProgress]:
        """Jobs that have not ended, oldest first. Raises StoreError."""
        open_jobs = await jobs.unfinished(self._database)
        boards = self._worker.boards
        return [boards[job.id].now if job.id in boards else progress_of(job) for job in open_jobs]

    async def watch(self, job_id: str) -> AsyncIterator[JobProgress]:
        """Every change of a job, at most four a second, until its end, which is always the last one.

        Raises:
            NotFound: there is no such job.
            StoreError: the database cannot be asked.
        """
        shown: JobProgress | None = None
        while True:
            now = await self.progress(job_id)
            if now != shown:
                yield now
                shown = now
            if now.is_final:
                return
            await self._change(job_id, now)

    async def pause(self, job_id: str) -> JobProgress:
        """Ask a job to pause; it keeps what it has. Raises NotFound, Conflict (it has ended), StoreError."""
        job = await jobs.pause(self._database, job_id)
        if job.finished_at is not None:
            raise Conflict("The job has ended already.", next_step="Reload the list.")
        self._worker.nudge(job_id)
        return progress_of(job)

    async def resume(self, job_id: str) -> JobProgress:
        """Let a paused job go on. Raises NotFound, Conflict (it has ended), StoreError."""
        job = await jobs.resume(self._database, job_id)
        if job.finished_at is not None:
            raise Conflict("The job has ended already.", next_step="Retry it.")
        self._wake_up()
        return progress_of(job)

    async def retry(self, job_id: str) -> JobProgress:
        """Queue an ended job again: of its pages only those that failed, or were never reached.

        Raises:
            NotFound: there is no such job.
            Conflict: it has not ended, nothing of it failed, its source is worked on, or it was retried too often.
            StoreError: the database cannot be asked.
        """
        job = await jobs.retry(self._database, job_id, most=MOST_RETRIES)
        self._wake_up()
        return progress_of(job)

    async def resume_interrupted(self) -> None:
        """Begin to work on what is queued, here or by a process that is gone. Call once, at the start."""
        if not self._loops:
            self._loops = [asyncio.create_task(self._dispatch())]
            if self._cares:
                self._loops.append(asyncio.create_task(self.caretaker.run()))

    async def close(self) -> None:
        """Stop working; unfinished jobs are given back and go on with the next start."""
        tasks = [*self._loops, *self._running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._loops:
            with contextlib.suppress(StoreError):
                await jobs.leave_duties(self._database, self._worker.name)
        self._loops = []
        await self._readers.close()

    async def _queue_crawl(self, kind: str, source_id: str, request: CrawlRequest) -> str:
        await self._worker.require_room()
        progress = JobProgress("", kind, source_id=source_id, url=request.url)
        job = await jobs.create(
            self._database,
            kind=kind,
            source_id=source_id,
            request=crawl_to_json(request),
            progress=progress.to_row(),
        )
        return self._queued(job)

    def _queued(self, job: Job) -> str:
        self._wake.set()
        return job.id

    def _wake_up(self) -> None:
        self._wake.set()

    async def _dispatch(self) -> None:
        """Claim jobs while there is room, for ever."""
        while True:
            self._wake.clear()
            try:
                await self._claim_all()
                if not self._running:
                    await self._readers.close()  # an idle server keeps no processes for documents
            except StoreError as error:
                _log.warning("jobs_cannot_be_claimed", reason=error.message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._wake.wait()

    async def _claim_all(self) -> None:
        """Lead what nobody works on; with room left, help others."""
        worker, lease_s = self._worker, self._worker.lease.lease_s
        gone = gone_workers(await jobs.unfinished(self._database), worker.name)
        while len(self._running) < self._max_jobs:
            job = await jobs.claim(self._database, worker.name, lease_s=lease_s, gone=gone)
            if job is None:
                break
            self._begin(worker.run(job))
        while len(self._running) < self._max_jobs:
            job = await job_sharing.join(self._database, worker.name, lease_s=lease_s, fewest=_HELP_FROM)
            job = job or await reembedding.join(self._database, worker.name, lease_s=lease_s)
            if job is None:
                return
            self._begin(worker.help(job))

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
        if not task.cancelled() and task.exception() is not None:
            _log.error("worker_crashed", exc_info=task.exception())

    async def _change(self, job_id: str, seen: JobProgress) -> None:
        """Wait until there may be something new to see."""
        board = self._worker.boards.get(job_id)
        if board is not None and board.now == seen:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await board.change()
        await asyncio.sleep(_WATCH_S)


def _short_name(name: str) -> str:
    """A file's name without its folders; a very long one is cut before its ending."""
    plain = PurePosixPath(PurePosixPath(name.replace("\\", "/")).name.replace("\0", ""))
    ending = plain.suffix[:_LONGEST_NAME]
    return plain.name.removesuffix(ending)[: _LONGEST_NAME - len(ending)] + ending
