"""The job of an upload: a file, or an archive of files, read, embedded, stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

from src.errors import ArchonError, DocumentUnreadable, JsonValue
from src.store import code_examples, jobs, sources
from src.store.jobs import Address

from . import storing
from .addresses import url_of_file
from .archive import Archive
from .code_settings import code_rules
from .fetch import Validators
from .intake import Body, Intake
from .kinds import ARCHIVES, ending_of, kind_of
from .requests import tags_of
from .run import Run, open_intake
from .tally import tally_of

_AT_ONCE = 4
"""Files of an archive that are unpacked in memory at once."""
_NOISE = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


async def upload(run: Run) -> None:
    """Take in the file of an upload job.

    Raises:
        DocumentUnreadable, DocumentTooLarge: the file cannot be read; nothing was stored.
        NothingStored: none of the files in an archive could be stored.
        ArchonError: what made it impossible to go on.
    """
    filename = str(run.job.request.get("filename") or "file")
    url = url_of_file(run.source_id, filename)
    run.board.set(status="reading", message=f"Reading {filename}", total_pages=1)
    rows = await jobs.frontier(run.database, run.job.id)
    run.board.set(tally=tally_of(rows))
    if rows and all(row.state not in ("queued", "failed") for row in rows):
        return  # an earlier worker stored it and died before it could say so
    content = await jobs.upload_content(run.database, run.job.id)
    await jobs.add_addresses(run.database, run.job.id, [Address(url, url, filename)], depth=1, page_limit=1)
    async with open_intake(run, _metadata(run, filename)) as intake:
        intake.rules = await code_rules(run.database, wanted=run.job.request.get("extract_code_examples") is not False)
        await code_examples.make_ready(run.database, intake.space_id)
        body = _body(run, url, content, str(run.job.request.get("content_type") or ""))
        try:
            if kind_of(body.content_type, url) == "zip":
                await _take_archive(run, intake, body, filename)
            else:
                await _take_file(run, intake, body, filename)
        except ArchonError as error:
            await run.fail_page(url, url, error)
            raise
    storing.require_something(run)


async def _take_file(run: Run, intake: Intake, body: Body, filename: str) -> None:
    run.board.set(status="text_extraction", message=f"Reading the text of {filename}")
    documents = await intake.read(body)
    await _ensure_source(run, filename, body.url, documents[0].whole_title or documents[0].title)
    run.board.found(documents)
    run.board.set(status="storing", message="Embedding and storing")
    await storing.store(run, intake, body, documents)


async def _take_archive(run: Run, intake: Intake, body: Body, filename: str) -> None:
    """Each file of an archive is a page; what cannot be read is named with its reason."""
    archive = await asyncio.to_thread(Archive, body.content)
    await _ensure_source(run, filename, body.url, filename)
    bodies = {
        member.name: _body(run, f"{body.url}/{member.name}", b"", "", position)
        for position, member in enumerate(archive.members)
        if not any(noise in member.name for noise in _NOISE)
    }
    done = await storing.begin(run, [Address(one.url_key, one.url, name) for name, one in bodies.items()])
    run.board.set(status="storing", message=f"Reading the files in {filename}")
    work = (
        partial(storing.alone, run, one.url_key, one.url, partial(_take_member, run, intake, archive, name, one))
        for name, one in bodies.items()
        if one.url_key not in done
    )
    await storing.together(work, at_once=_AT_ONCE)
    await storing.settle_aside(run, body.url_key, f"Its {len(bodies)} files are pages of their own.")


async def _take_member(run: Run, intake: Intake, archive: Archive, name: str, body: Body) -> None:
    """One file of an archive. Raises what is wrong with it."""
    if ending_of(body.url) in ARCHIVES:
        raise DocumentUnreadable(
            "An archive inside of an archive is not opened.", next_step="Unpack it and upload it by itself."
        )
    try:
        kind_of("", body.url)
    except DocumentUnreadable as error:
        await storing.settle_aside(run, body.url_key, error.message)
        return
    run.board.set(message=f"Reading {name}", current_url=name)
    whole = replace(body, content=await asyncio.to_thread(archive.read, name))
    documents = await intake.read(whole)
    run.board.found(documents)
    await storing.store(run, intake, whole, documents)


def _body(run: Run, url: str, content: bytes, content_type: str, position: int = 0) -> Body:
    return Body(
        place=run.place(url),
        url=url,
        url_key=url,
        content_type=content_type,
        charset=None,
        content=content,
        label=PurePosixPath(url).name,
        position=position,
        validators=Validators(),
    )


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
