"""From what was read to what is stored: one page, or a page for each part of a body that holds several."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from src.errors import ArchonError, NothingStored
from src.store import jobs, page_parts, pages
from src.store.jobs import Address

from .document import Document
from .intake import Body, Intake
from .run import Run, ends_page_only, first_of

_AT_ONCE = 16
"""Parts of one body that are embedded and stored side by side."""
_T = TypeVar("_T")


async def store(run: Run, intake: Intake, body: Body, documents: Sequence[Document]) -> None:
    """Store what a body holds. A part's own failure is noted and the others go on.

    Raises:
        ContextTooLong, BadRequest: the one document cannot be embedded.
        ArchonError: what makes the whole job impossible.
    """
    if not documents[0].part:
        await _store_one(run, intake, body, documents[0])
        return
    keys = [f"{body.url_key}#{document.part}" for document in documents]
    bodies = [
        body.part(document, run.place(key), number)
        for number, (key, document) in enumerate(zip(keys, documents, strict=True))
    ]
    done = await begin(run, [Address(part.url_key, part.url) for part in bodies])
    await together(
        partial(alone, run, part.url_key, part.url, partial(_store_one, run, intake, part, document))
        for part, document in zip(bodies, documents, strict=True)
        if part.url_key not in done
    )
    if run.job.kind == "refresh":
        await _remove_vanished(run, body, set(keys))
    await settle_aside(run, body.place.frontier_key, f"Its {len(documents)} parts are pages of their own.")


async def begin(run: Run, addresses: Sequence[Address]) -> set[str]:
    """Note the parts that a body has; those that an earlier worker finished come back. Raises Conflict, StoreError."""
    known = {row.address.key: row.state for row in await jobs.frontier(run.database, run.job.id)}
    await page_parts.add(run.database, run.job.id, run.worker, addresses)
    fresh = sum(address.key not in known for address in addresses)
    run.board.set(total_pages=run.board.now.total_pages + fresh)
    return {key for key, state in known.items() if state != "queued"}


async def together(work: Iterable[Callable[[], Awaitable[object]]], *, at_once: int = _AT_ONCE) -> None:
    """`at_once` of them side by side, until all are done. Raises the first failure."""
    slots = asyncio.Semaphore(at_once)

    async def in_turn(one: Callable[[], Awaitable[object]]) -> None:
        async with slots:
            await one()

    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(in_turn(one))
    except BaseExceptionGroup as error:
        raise first_of(error) from error


async def alone(run: Run, key: str, url: str, work: Callable[[], Awaitable[_T]]) -> _T | None:
    """A page's own failure is noted and None comes back; any other one is raised."""
    try:
        return await work()
    except ArchonError as error:
        if not ends_page_only(error):
            raise
        await run.fail_page(key, url, error)
    return None


async def settle_aside(run: Run, key: str, reason: str) -> None:
    """Note that an address is no page by itself, and why. Raises Conflict, StoreError."""
    error = {"error": reason, "code": "skipped", "next_step": ""}
    await jobs.settle_address(run.database, run.job.id, run.worker, key, state="skipped", error={**error})
    run.board.set(tally=run.board.now.tally.counted("skipped"))


def require_something(run: Run) -> None:
    """Raises NothingStored where no page was stored, found unchanged or taken away."""
    tally = run.board.now.tally
    if tally.pages_stored or tally.pages_unchanged or tally.pages_removed:
        return
    if not tally.failures:
        raise NothingStored(
            "No page was found at this address.", next_step="Check the address, or raise the depth of the crawl."
        )
    first = tally.failures[0]
    others = f" {tally.pages_failed - 1} more pages failed." if tally.pages_failed > 1 else ""
    raise NothingStored(f"Nothing was stored. {first.url}: {first.error}{others}", next_step=first.next_step)


async def _store_one(run: Run, intake: Intake, body: Body, document: Document) -> None:
    written = await intake.write(body, document)
    run.board.reused(written.reused)
    tally = run.board.now.tally
    tally = tally.counted("unchanged") if written.unchanged else tally.stored(written.chunks, written.words)
    run.board.set(
        tally=tally.noticed(body.url, written.notice),
        code_examples_stored=run.board.now.code_examples_stored + written.examples,
        space_id=intake.space_id,
        tokens_ratio=intake.gauge.ratio,
    )


async def _remove_vanished(run: Run, body: Body, keys: set[str]) -> None:
    """Take away the parts that the body no longer has, and the page that it was itself before it had parts."""
    stored = {key for _, key in await pages.addresses(run.database, run.source_id)}
    prefix = f"{body.url_key}#"
    for key in sorted(key for key in stored - keys if key.startswith(prefix) or key == body.url_key):
        await begin(run, [Address(key, key)])
        error = {"error": "The page has no such part any more.", "code": "page_missing", "next_step": ""}
        if await pages.remove(run.database, run.place(key), page_key=key, error={**error}):
            run.board.set(tally=run.board.now.tally.counted("removed"))
