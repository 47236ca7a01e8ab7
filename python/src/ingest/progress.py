"""How far a job is: one frozen value, kept in the job's row, shown by REST with Archon v1's words and fields."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime

from src.errors import JsonValue
from src.store.jobs import Job, JsonObject

from .document import Document
from .tally import Tally, read_tally

MAX_LOGS = 100
FINAL = frozenset({"completed", "failed", "cancelled"})
_BARS = {"starting": 1.0, "analyzing": 3.0, "finalization": 98.0, "completed": 100.0}
_WORK_BEGINS, _WORK_ENDS = 3.0, 97.0
_NOT_OURS = dict.fromkeys(
    ("completedSummaries", "totalSummaries", "completedBatches", "activeWorkers", "chunksInBatch"), 0
)
"""What v1's clients find in every crawl's progress: here nothing is done in batches, and summaries come later."""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """A job at one moment. `status` is one of Archon v1's words, or `paused`; `percent` never goes down; times are UTC.

    Its pace is that of the passages embedded since `paced_at`, when there were `chunks_before` already. Of those that
    have their vector (`chunks_embedded`), the model server made `vectors_made`; `vectors_reused` were stored before.
    `remarks`: what of a site was left out. `tokens_ratio` is what pages are cut by (tokens per estimated token) for
    `space_id`; 0: none yet.
    """

    job_id: str
    kind: str
    status: str = "starting"
    percent: float = 0.0
    message: str = "Waiting to start"
    source_id: str = ""
    url: str = ""
    title: str = ""
    filename: str = ""
    file_type: str = ""
    crawl_type: str = ""
    scope_url: str = ""
    current_url: str = ""
    total_pages: int = 0
    chunks_total: int = 0
    chunks_embedded: int = 0
    chunks_situated: int = 0
    chunks_before: int = 0
    vectors_made: int = 0
    vectors_reused: int = 0
    space_id: int = 0
    tokens_ratio: float = 0.0
    code_blocks_found: int = 0
    code_examples_stored: int = 0
    tally: Tally = field(default_factory=Tally)
    logs: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    detail: JsonObject | None = None
    paced_at: datetime | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in FINAL

    @property
    def elapsed_s(self) -> float:
        """Seconds of work so far."""
        if self.started_at is None:
            return 0.0
        return max(((self.finished_at or self.updated_at or self.started_at) - self.started_at).total_seconds(), 0.0)

    @property
    def chunks_per_s(self) -> float:
        """Passages embedded a second since a worker took the job up last."""
        begun, now = self.paced_at or self.started_at, self.finished_at or self.updated_at
        if begun is None or now is None or now <= begun:
            return 0.0
        return max(self.chunks_embedded - self.chunks_before, 0) / (now - begun).total_seconds()

    def at(self, **changes: object) -> JobProgress:
        """Itself a moment later, with a bar that never goes back."""
        later = replace(self, updated_at=datetime.now(UTC), **changes)  # type: ignore[arg-type]
        return replace(later, percent=max(self.percent, later._bar()))

    def _bar(self) -> float:
        fixed = _BARS.get(self.status)
        if fixed is not None:
            return fixed
        if self.kind == "reembed" and self.chunks_total:
            return _WORK_BEGINS + (_WORK_ENDS - _WORK_BEGINS) * min(self.chunks_embedded / self.chunks_total, 1.0)
        if self.status in FINAL or not self.total_pages:
            return self.percent
        done = self.tally.pages_done / self.total_pages
        if self.chunks_total:
            # Half by pages, half by passages: a long page moves the bar too.
            situated = min(self.chunks_situated, self.chunks_total)
            passages = max(self.chunks_embedded, (self.chunks_embedded + situated) / 2)
            done = (done + min(passages / self.chunks_total, done + 0.5)) / 2
        return _WORK_BEGINS + (_WORK_ENDS - _WORK_BEGINS) * min(done, 1.0)

    def to_dict(self) -> JsonObject:
        """The body of `GET /api/progress/{id}`."""
        body: JsonObject = {
            "progressId": self.job_id,
            "type": self.kind,
            "status": self.status,
            "progress": int(self.percent),
            "message": self.message,
            "currentStep": self.status,
            "stepMessage": self.message,
            "logs": list(self.logs),
            "remarks": list(self.remarks),
            "details": self._details(),
            "chunksStored": self.tally.chunks_stored,
            "wordCount": self.tally.word_count,
            "sourceId": self.source_id,
            "duration": f"{self.elapsed_s:.1f}",
            "outcome": self.tally.to_dict(),
        }
        body.update(self._upload_fields() if self.kind == "upload" else self._crawl_fields())
        if self.detail is not None:
            body["error"] = self.detail.get("error")
            body["detail"] = self.detail
        return body

    def to_operation(self) -> JsonObject:
        """One entry of `GET /api/progress/`. `title`: the model, of a job that embeds all anew."""
        entry: JsonObject = {
            "operation_id": self.job_id,
            "operation_type": self.kind,
            "status": self.status,
            "progress": int(self.percent),
            "message": self.message,
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "source_id": self.source_id or None,
            "url": self.url or None,
            "title": self.title or None,
            "current_url": self.current_url or None,
            "crawl_type": self.crawl_type or None,
            "pages_crawled": self.tally.pages_done,
            "total_pages": self.total_pages,
            "documents_created": self.tally.chunks_stored,
            "code_blocks_found": self.code_blocks_found,
        }
        return {name: value for name, value in entry.items() if value is not None}

    def _details(self) -> JsonObject:
        pace = self.chunks_per_s
        left = max(self.chunks_total - self.chunks_embedded, 0)
        estimate: JsonObject = {"estimatedTimeRemaining": round(left / pace, 1)} if pace else {}
        return estimate | {
            "currentChunk": self.tally.chunks_stored,
            "totalChunks": self.chunks_total,
            "currentOperation": self.message,
            "chunksPerSecond": round(pace, 2),
            "elapsedTime": round(self.elapsed_s, 1),
            "pagesCrawled": self.tally.pages_done,
            "totalPages": self.total_pages,
            "embeddingsCreated": self.vectors_made,
            "embeddingsReused": self.vectors_reused,
            "codeBlocksFound": self.code_blocks_found,
            "contextsDone": self.chunks_situated,
        }

    def _crawl_fields(self) -> JsonObject:
        return {
            "currentUrl": self.current_url or self.url,
            "totalPages": self.total_pages,
            "processedPages": self.tally.pages_done,
            "crawlType": self.crawl_type,
            "completedDocuments": self.tally.pages_stored + self.tally.pages_unchanged,
            "totalDocuments": self.total_pages,
            "codeBlocksFound": self.code_blocks_found,
            "codeExamplesStored": self.code_examples_stored,
            **_NOT_OURS,
        }

    def _upload_fields(self) -> JsonObject:
        return {"uploadType": "document", "fileName": self.filename, "fileType": self.file_type}

    def to_row(self) -> JsonObject:
        """For the job's row; the pages' reasons are not repeated there, they stand in the frontier."""
        row: JsonObject = {}
        for item in fields(self):
            value = getattr(self, item.name)
            row[item.name] = value.isoformat() if isinstance(value, datetime) else value
        tally = self.tally.to_dict()
        row["tally"] = tally if self.is_final else tally | {"failures": [], "notices": []}
        row["logs"], row["remarks"] = list(self.logs), list(self.remarks)
        return row


def progress_of(job: Job) -> JobProgress:
    """A job's progress as it was stored last, with the state that its row has now."""
    stored = job.progress
    plain = {name: stored[name] for name in _PLAIN if name in stored}
    progress = JobProgress(
        job_id=job.id,
        kind=job.kind,
        detail=job.error,
        tally=read_tally(stored.get("tally")),
        logs=_lines(stored.get("logs")),
        remarks=_lines(stored.get("remarks")),
        paced_at=_moment(stored.get("paced_at")),
        started_at=_moment(stored.get("started_at")) or job.created_at,
        updated_at=_moment(stored.get("updated_at")) or job.updated_at,
        finished_at=job.finished_at,
        **plain,  # type: ignore[arg-type]
    )
    if job.state in FINAL:
        percent = 100.0 if job.state == "completed" else progress.percent
        return replace(progress, status=job.state, percent=percent)
    if progress.is_final:
        # It is tried once more.
        progress = replace(progress, status="starting", percent=0.0, message="Waiting to start", detail=None)
    if job.state == "paused":
        return replace(progress, status="paused", message="Paused")
    return replace(progress, status="stopping", message="Stopping") if job.cancel_requested else progress


_PLAIN = tuple(
    item.name
    for item in fields(JobProgress)
    if item.type in ("str", "int", "float") and item.name not in ("job_id", "kind")
)


def _lines(stored: JsonValue) -> tuple[str, ...]:
    return tuple(str(line) for line in stored) if isinstance(stored, list) else ()


def _moment(stored: JsonValue) -> datetime | None:
    return datetime.fromisoformat(stored) if isinstance(stored, str) else None


class Board:
    """The progress of a running job, in this process: changed by its stages, watched by anybody."""

    def __init__(self, progress: JobProgress) -> None:
        self.now = progress
        self._changed = asyncio.Event()

    def set(self, **changes: object) -> None:
        """A moment later."""
        self.now = self.now.at(**changes)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def found(self, documents: Iterable[Document]) -> None:
        """These were read: their passages and code examples are to be stored."""
        chunks, code_blocks = self.now.chunks_total, self.now.code_blocks_found
        for document in documents:
            chunks, code_blocks = chunks + len(document.chunks), code_blocks + len(document.examples)
        self.set(chunks_total=chunks, code_blocks_found=code_blocks)

    def embedded(self, count: int) -> None:
        """So many texts more have a vector that the model server made for them."""
        self.set(chunks_embedded=self.now.chunks_embedded + count, vectors_made=self.now.vectors_made + count)

    def reused(self, count: int) -> None:
        """So many texts more are as they were stored, and keep their vector."""
        self.set(chunks_embedded=self.now.chunks_embedded + count, vectors_reused=self.now.vectors_reused + count)

    def situated(self, count: int) -> None:
        """Of so many passages more it is known what the chat model says of their place, or that it says nothing."""
        done, total = self.now.chunks_situated + count, self.now.chunks_total
        of_all = f" of {total}" if total >= done else ""
        self.set(chunks_situated=done, message=f"Writing contexts: {done}{of_all} passages")

    def note(self, line: str) -> None:
        """Say something that people should be able to read afterwards."""
        stamp = datetime.now(UTC).strftime("%H:%M:%S")
        self.set(message=line, logs=(*self.now.logs, f"{stamp} {line}")[-MAX_LOGS:])

    def remark(self, line: str) -> None:
        """Note something that the result should say too, once."""
        self.note(line)
        self.set(remarks=tuple(dict.fromkeys((*self.now.remarks, line)))[:MAX_LOGS])

    async def change(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()
