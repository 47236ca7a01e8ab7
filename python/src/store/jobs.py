"""Durable jobs: a row with a lease, and the addresses it knows. Whoever holds the lease works; nobody else writes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from src.errors import Conflict, JsonValue, NotFound

from . import columns
from .database import Database, Json, Row

JsonObject = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `state` is queued, running, paused, completed, failed or cancelled."""

    id: str
    kind: str
    state: str
    source_id: str | None
    request: JsonObject
    progress: JsonObject
    result: JsonObject | None
    error: JsonObject | None
    cancel_requested: bool
    lease_owner: str | None
    attempts: int
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    pause_requested: bool = False
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people want of a running job, and how many other workers help with it."""

    stop: bool
    pause: bool
    helpers: int


@dataclass(frozen=True, slots=True)
class Address:
    """A URL to be fetched: `key` is its canonical form, `label` the text of the link that led to it."""

    key: str
    url: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class FrontierRow:
    """An address of a job and what became of it: queued, stored, unchanged, failed, removed or skipped."""

    address: Address
    depth: int
    state: str
    chunks: int
    words: int
    error: JsonObject | None
    ordinal: int = 0


@dataclass(frozen=True, slots=True)
class JobList:
    """A slice of the jobs, newest first; `total` counts all that match."""

    items: tuple[Job, ...]
    total: int


async def create(
    database: Database, *, kind: str, source_id: str | None, request: JsonObject, progress: JsonObject
) -> Job:
    """A queued job. Raises Conflict when the source is being worked on already, StoreError."""
    rows = await database.call(
        "archon_job_create", kind=kind, source=source_id, request=Json(request), progress=Json(progress)
    )
    return _job(rows[0])


async def create_upload(
    database: Database, *, source_id: str, request: JsonObject, progress: JsonObject, content: bytes
) -> Job:
    """A queued upload job with its file's bytes. Raises Conflict, StoreError."""
    rows = await database.call(
        "archon_job_create_upload",
        source=source_id,
        request=Json(request),
        progress=Json(progress),
        content=base64.b64encode(content).decode("ascii"),
    )
    return _job(rows[0])


async def upload_content(database: Database, job_id: str) -> bytes:
    """The bytes of an upload job's file. Raises NotFound when they are gone, StoreError."""
    rows = await database.call("archon_upload_content", job=job_id)
    if not rows:
        raise NotFound("The uploaded file is no longer there.", next_step="Upload it again.")
    return base64.b64decode(columns.text(rows[0], "content"))


async def claim(database: Database, worker: str, *, lease_s: float, gone: Sequence[str] = ()) -> Job | None:
    """A job to work on for `lease_s` seconds, or None; `gone` names workers known to be dead. Raises StoreError."""
    rows = await database.call("archon_job_claim", worker=worker, lease_s=lease_s, gone=list(gone))
    return _job(rows[0]) if rows else None


async def heartbeat(database: Database, job_id: str, worker: str, *, lease_s: float, progress: JsonObject) -> Wishes:
    """Keep the lease and store the progress; what people want of the job comes back.

    Raises:
        Conflict: the lease is lost; this worker must stop.
        StoreError: the database did not answer.
    """
    rows = await database.call("archon_job_beat", job=job_id, worker=worker, lease_s=lease_s, progress=Json(progress))
    if not rows:
        raise Conflict("The job is no longer this worker's.")
    return Wishes(
        bool(rows[0]["cancel_requested"]), bool(rows[0]["pause_requested"]), columns.number(rows[0], "helpers")
    )


async def finish(
    database: Database,
    job_id: str,
    worker: str,
    *,
    state: str,
    progress: JsonObject,
    result: JsonObject,
    error: JsonObject | None,
) -> bool:
    """End the job as completed, failed or cancelled; False when it is no longer this worker's. Raises StoreError."""
    rows = await database.call(
        "archon_job_finish",
        job=job_id,
        worker=worker,
        state=state,
        progress=Json(progress),
        result=Json(result),
        error=Json(error) if error is not None else None,
    )
    return bool(rows)


async def release(database: Database, job_id: str, worker: str, *, progress: JsonObject) -> None:
    """Give the job back unfinished, for the next worker. Raises StoreError."""
    await database.call("archon_job_release", job=job_id, worker=worker, progress=Json(progress))


async def postpone(database: Database, job_id: str, worker: str, *, progress: JsonObject, after_s: float) -> None:
    """Give the job back unfinished, to be taken up again after so many seconds. Raises StoreError."""
    await database.call("archon_job_postpone", job=job_id, worker=worker, progress=Json(progress), after_s=after_s)


async def paused(database: Database, job_id: str, worker: str, *, progress: JsonObject) -> None:
    """Give the job back because somebody paused it. Raises StoreError."""
    await database.call("archon_job_paused", job=job_id, worker=worker, progress=Json(progress))


async def pause(database: Database, job_id: str) -> Job:
    """Ask the job to pause; one that nobody works on is paused at once. Raises NotFound, StoreError."""
    return _one(await database.call("archon_job_pause", job=job_id), job_id)


async def resume(database: Database, job_id: str) -> Job:
    """Let a paused job go on. Raises NotFound, StoreError."""
    return _one(await database.call("archon_job_resume", job=job_id), job_id)


async def retry(database: Database, job_id: str, *, most: int) -> Job:
    """Queue an ended job again, of its pages only those that failed or were never reached.

    Raises:
        NotFound: there is no such job.
        Conflict: it has not ended, nothing of it failed, its source is worked on, or it was retried `most` times.
        StoreError: the database refused.
    """
    return _one(await database.call("archon_job_retry", job=job_id, most=most), job_id)


async def stop(database: Database, job_id: str) -> Job:
    """Ask the job to stop; one that nobody works on ends at once. Raises NotFound, StoreError."""
    return _one(await database.call("archon_job_stop", job=job_id), job_id)


async def get(database: Database, job_id: str) -> Job:
    """One job. Raises NotFound, InvalidInput (not a uuid), StoreError."""
    return _one(await database.call("archon_job", job=job_id), job_id)


async def unfinished(database: Database) -> list[Job]:
    """Queued, running and paused jobs, oldest first. Raises StoreError."""
    return [_job(row) for row in await database.call("archon_jobs_open")]


async def of_source(database: Database, source_id: str, *, limit: int = 20) -> list[Job]:
    """A source's jobs, newest first. Raises StoreError."""
    return [_job(row) for row in await database.call("archon_jobs_of", source=source_id, row_limit=limit)]


async def listed(
    database: Database,
    *,
    states: Sequence[str] | None = None,
    source_id: str | None = None,
    limit: int = 20,
    offset: int = 0,
) -> JobList:
    """Jobs of the given states and source, newest first. Raises StoreError."""
    rows = await database.call("archon_jobs_list", states=states, source=source_id, row_limit=limit, row_offset=offset)
    return JobList(tuple(_job(row) for row in rows), columns.number(rows[0], "total") if rows else 0)


async def tidy(database: Database) -> None:
    """Forget what is kept of jobs that ended long ago. Raises StoreError."""
    await database.call("archon_jobs_tidy")


async def take_duty(database: Database, duty: str, worker: str, *, lease_s: float) -> bool:
    """Whether this worker does a duty for all, for `lease_s` seconds. Raises StoreError."""
    rows = await database.call("archon_duty_take", duty=duty, worker=worker, lease_s=lease_s)
    return bool(rows[0]["taken"])


async def leave_duties(database: Database, worker: str) -> None:
    """Leave all duties to others. Raises StoreError."""
    await database.call("archon_duty_leave", worker=worker)


async def add_addresses(
    database: Database, job_id: str, addresses: Sequence[Address], *, depth: int, page_limit: int
) -> list[Address]:
    """Those of `addresses` that the job did not know, up to `page_limit` pages in all. Raises StoreError."""
    rows = await database.call(
        "archon_frontier_add",
        job=job_id,
        keys=[address.key for address in addresses],
        urls=[address.url for address in addresses],
        labels=[address.label for address in addresses],
        depth=depth,
        page_limit=page_limit,
    )
    return [Address(columns.text(row, "url_key"), columns.text(row, "url"), columns.text(row, "label")) for row in rows]


async def frontier(database: Database, job_id: str) -> list[FrontierRow]:
    """Everything the job knows, in the order it was found. Raises StoreError."""
    return [frontier_row(row) for row in await database.call("archon_frontier", job=job_id)]


def frontier_row(row: Row) -> FrontierRow:
    """An address of a job."""
    return FrontierRow(
        address=Address(columns.text(row, "url_key"), columns.text(row, "url"), columns.text(row, "label")),
        depth=columns.number(row, "depth"),
        state=columns.text(row, "state"),
        chunks=columns.number(row, "chunks"),
        words=columns.number(row, "words"),
        error=columns.json_object(row, "error") or None,
        ordinal=columns.number(row, "ordinal"),
    )


async def settle_address(
    database: Database, job_id: str, worker: str, key: str, *, state: str, error: JsonObject | None
) -> None:
    """Note that nothing was stored for an address, and why. Raises Conflict (lease lost), StoreError."""
    await database.call(
        "archon_frontier_settle",
        job=job_id,
        worker=worker,
        page=key,
        state=state,
        error=Json(error) if error is not None else None,
    )


def _one(rows: Sequence[Row], job_id: str) -> Job:
    if not rows:
        raise NotFound(f"There is no job '{job_id}'.")
    return _job(rows[0])


def job_of(row: Row) -> Job:
    """A job's row."""
    return _job(row)


def _job(row: Row) -> Job:
    return Job(
        id=columns.text(row, "id"),
        kind=columns.text(row, "kind"),
        state=columns.text(row, "state"),
        source_id=columns.optional_text(row, "source_id"),
        request=columns.json_object(row, "request"),
        progress=columns.json_object(row, "progress"),
        result=columns.json_object(row, "result") if row["result"] is not None else None,
        error=columns.json_object(row, "error") if row["error"] is not None else None,
        cancel_requested=bool(row["cancel_requested"]),
        lease_owner=columns.optional_text(row, "lease_owner"),
        attempts=columns.number(row, "attempts"),
        created_at=columns.moment(row, "created_at"),
        updated_at=columns.moment(row, "updated_at"),
        finished_at=columns.optional_moment(row, "finished_at"),
        pause_requested=bool(row["pause_requested"]),
        retries=columns.number(row, "retries"),
    )
