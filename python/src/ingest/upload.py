"""The job of an upload: one file, read, embedded, stored."""

from __future__ import annotations

from pathlib import PurePosixPath

from src.errors import ArchonError, JsonValue
from src.store import jobs, sources
from src.store.jobs import Address

from .addresses import url_of_file
from .fetch import Validators
from .intake import Body
from .progress import tally_of
from .requests import tags_of
from .run import Run, open_intake


async def upload(run: Run) -> None:
    """Take in the file of an upload job.

    Raises:
        DocumentUnreadable, DocumentTooLarge: the file cannot be read; nothing was stored.
        ArchonError: what made it impossible to go on.
    """
    filename = str(run.job.request.get("filename") or "file")
    url = url_of_file(run.source_id, filename)
    run.board.set(status="reading", message=f"Reading {filename}", total_pages=1)
    done = tally_of(await jobs.frontier(run.database, run.job.id))
    if done.pages_stored or done.pages_unchanged:
        # An earlier worker stored it and died before it could say so.
        run.board.set(tally=done)
        return
    content = await jobs.upload_content(run.database, run.job.id)
    await jobs.add_addresses(run.database, run.job.id, [Address(url, url, filename)], depth=1, page_limit=1)
    async with open_intake(run, _metadata(run, filename)) as intake:
        body = Body(
            place=run.place(url),
            url=url,
            url_key=url,
            content_type=str(run.job.request.get("content_type") or ""),
            charset=None,
            content=content,
            label=PurePosixPath(filename).name,
            position=0,
            validators=Validators(),
        )
        run.board.set(status="text_extraction", message=f"Reading the text of {filename}")
        try:
            document = await intake.read(body)
            await _ensure_source(run, filename, url, document.title)
            run.board.set(status="storing", message="Embedding and storing", chunks_total=len(document.chunks))
            written = await intake.write(body, document)
        except ArchonError as error:
            await run.fail_page(url, url, error)
            raise
    tally = run.board.now.tally
    tally = tally.counted("unchanged") if written.unchanged else tally.stored(written.chunks, written.words)
    run.board.set(tally=tally)


async def _ensure_source(run: Run, filename: str, url: str, title: str) -> None:
    await sources.ensure(
        run.database,
        source_id=run.source_id,
        url=url,
        display_name=filename,
        title=title or filename,
        metadata={**_metadata(run, filename), "file_name": filename, "file_type": run.board.now.file_type},
    )


def _metadata(run: Run, filename: str) -> dict[str, JsonValue]:
    return {
        "knowledge_type": str(run.job.request.get("knowledge_type") or "technical"),
        "tags": list(tags_of(run.job.request)),
        "source_type": "file",
        "filename": filename,
    }
