"""What became of a job's pages: counted as each is done, and counted anew from the frontier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace

from src.errors import ArchonError, JsonValue
from src.store.job_sharing import StateCount
from src.store.jobs import FrontierRow, JsonObject

MAX_FAILURES = 200
"""Pages that a result names, of those that failed and of those with a notice."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a page was not stored: text, error code, what to do."""

    url: str
    error: str
    code: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the pages so far. `notices`: what people should know of pages that were stored."""

    pages_stored: int = 0
    pages_unchanged: int = 0
    pages_failed: int = 0
    pages_removed: int = 0
    pages_skipped: int = 0
    chunks_stored: int = 0
    word_count: int = 0
    chunks_without_context: int = 0
    failures: tuple[Failure, ...] = ()
    notices: tuple[Failure, ...] = ()

    @property
    def pages_done(self) -> int:
        """Pages of which it is known what became of them."""
        return self.pages_stored + self.pages_unchanged + self.pages_failed + self.pages_removed + self.pages_skipped

    def stored(self, chunks: int, words: int) -> Tally:
        """One more page with its chunks."""
        return replace(
            self,
            pages_stored=self.pages_stored + 1,
            chunks_stored=self.chunks_stored + chunks,
            word_count=self.word_count + words,
        )

    def failed(self, url: str, error: ArchonError) -> Tally:
        """One more page that was not stored."""
        failure = Failure(url, error.message, error.code, error.next_step)
        return replace(self, pages_failed=self.pages_failed + 1, failures=(*self.failures, failure)[:MAX_FAILURES])

    def counted(self, state: str) -> Tally:
        """One more page that is unchanged, removed or skipped."""
        name = f"pages_{state}"
        return replace(self, **{name: getattr(self, name) + 1})

    def noticed(self, url: str, notice: JsonObject | None) -> Tally:
        """What people should know of a page that was stored; None: nothing."""
        if notice is None:
            return self
        passages = notice.get("passages")
        return replace(
            self,
            chunks_without_context=self.chunks_without_context + (passages if isinstance(passages, int) else 0),
            notices=(*self.notices, _failure({**notice, "url": url}))[:MAX_FAILURES],
        )

    def to_dict(self) -> JsonObject:
        """REST's `outcome`."""
        failures: list[JsonValue] = [asdict(failure) for failure in self.failures]
        return {**asdict(self), "failures": failures, "notices": [asdict(notice) for notice in self.notices]}


def tally_of(rows: Iterable[FrontierRow]) -> Tally:
    """What the frontier's rows say became of the pages."""
    tally = Tally()
    for row in rows:
        if row.state == "stored":
            tally = tally.stored(row.chunks, row.words).noticed(row.address.url, row.error)
        elif row.state == "failed":
            failure = _failure({**(row.error or {}), "url": row.address.url})
            tally = replace(
                tally, pages_failed=tally.pages_failed + 1, failures=(*tally.failures, failure)[:MAX_FAILURES]
            )
        elif row.state != "queued":
            tally = tally.counted(row.state)
    return tally


def tally_of_counts(counts: Iterable[StateCount], failures: tuple[Failure, ...]) -> Tally:
    """What became of the pages of a job that several workers share; the reasons are those known here."""
    tally = Tally(failures=failures)
    for count in counts:
        if count.state != "queued":
            tally = replace(tally, **{f"pages_{count.state}": count.pages})  # type: ignore[arg-type]
        if count.state == "stored":
            tally = replace(tally, chunks_stored=count.chunks, word_count=count.words)
    return tally


def read_tally(stored: JsonValue) -> Tally:
    """The tally as `to_dict` stored it; empty where there is none."""
    if not isinstance(stored, dict):
        return Tally()
    counts = {item.name: stored[item.name] for item in fields(Tally) if isinstance(stored.get(item.name), int)}
    return Tally(**counts, failures=_failures(stored.get("failures")), notices=_failures(stored.get("notices")))  # type: ignore[arg-type]


def _failures(stored: JsonValue) -> tuple[Failure, ...]:
    entries = stored if isinstance(stored, list) else []
    return tuple(_failure(entry) for entry in entries if isinstance(entry, dict))


def _failure(stored: Mapping[str, JsonValue]) -> Failure:
    return Failure(*(str(stored.get(name) or "") for name in ("url", "error", "code", "next_step")))
