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


async def create(database: Database, *, kind: str, source_id: str, request: JsonObject, progress: JsonObject) -> Job:
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


async def heartbeat(database: Database, job_id: str, worker: str, *, lease_s: float, progress: JsonObject) -> bool:
    """Keep the lease and store the progress; True when somebody asked to stop.

    Raises:
        Conflict: the lease is lost; this worker must stop.
        StoreError: the database did not answer.
    """
    rows = await database.call(
        "archon_job_heartbeat", job=job_id, worker=worker, lease_s=lease_s, progress=Json(progress)
    )
    if not rows:
        raise Conflict("The job is no longer this worker's.")
    return bool(rows[0]["cancel_requested"])


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
    return [
        FrontierRow(
            address=Address(columns.text(row, "url_key"), columns.text(row, "url"), columns.text(row, "label")),
            depth=columns.number(row, "depth"),
            state=columns.text(row, "state"),
            chunks=columns.number(row, "chunks"),
            words=columns.number(row, "words"),
            error=columns.json_object(row, "error") or None,
        )
        for row in await database.call("archon_frontier", job=job_id)
    ]


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
    )
