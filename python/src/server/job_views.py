"""How jobs and embedding spaces look in REST."""

from __future__ import annotations

from datetime import datetime

from src.errors import ArchonError, JsonValue
from src.ingest.progress import progress_of
from src.store.job_sharing import HistoryEntry
from src.store.jobs import Job
from src.store.schedules import Schedule
from src.store.spaces import Gap, Space, SpaceCount

JsonObject = dict[str, JsonValue]
_FINAL = frozenset({"completed", "failed", "cancelled"})


def job_item(job: Job) -> JsonObject:
    """A job of GET /api/jobs."""
    now = progress_of(job)
    failed = now.tally.pages_failed
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "source_id": job.source_id,
        "name": now.filename or now.url or now.title or job.kind,
        "message": now.message,
        "progress": int(now.percent),
        "chunks_total": now.chunks_total,
        "chunks_embedded": now.chunks_embedded,
        "embeddings_reused": now.vectors_reused,
        "worker": job.lease_owner,
        "retries": job.retries,
        "can_pause": job.state in ("queued", "running") and not job.pause_requested,
        "can_resume": job.state == "paused",
        "can_cancel": job.state not in _FINAL,
        "can_retry": job.state in ("failed", "cancelled") or (job.state == "completed" and failed > 0),
        "remarks": list(now.remarks),
        "outcome": job.result if job.result is not None else now.tally.to_dict(),
        "detail": job.error,
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
        "finished_at": _iso(job.finished_at),
    }


def history_item(entry: HistoryEntry) -> JsonObject:
    """An address of GET /api/jobs/{id}/pages."""
    row = entry.row
    return {
        "url": row.address.url,
        "title": row.address.label or None,
        "state": row.state,
        "chunks": row.chunks,
        "words": row.words,
        "reason": row.error,
        "finished_at": _iso(entry.finished_at),
    }


def space_item(counted: SpaceCount) -> JsonObject:
    """A space of GET /api/embedding-spaces."""
    space = counted.space
    return {
        "id": space.id,
        "model": space.model,
        "dimensions": space.dimensions,
        "state": "declined" if space.declined else space.state,
        "vectors": counted.vectors,
        "provider": (space.way or {}).get("provider"),
    }


def change_item(chosen: Space | None, gap: Gap | None, problem: ArchonError | None) -> JsonObject:
    """What the settings name, and how much is missing in its space."""
    return {
        "model": None if chosen is None else chosen.model,
        "dimensions": None if chosen is None else chosen.dimensions,
        "missing": None if gap is None else gap.missing,
        "total": None if gap is None else gap.total,
        "problem": None if problem is None else problem.to_dict(),
    }


def schedule_item(source_id: str, schedule: Schedule) -> JsonObject:
    """GET and PUT /api/knowledge-items/{id}/schedule."""
    return {
        "source_id": source_id,
        "every_hours": None if schedule.every_s is None else schedule.every_s / 3600,
        "next_refresh_at": _iso(schedule.next_refresh_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
