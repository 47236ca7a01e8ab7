"""Reader processes: a few children that turn bodies into documents, restarted when a document kills one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass, field

from src.config import REPOSITORY
from src.errors import DocumentUnreadable, ErrorContext

from . import frames
from .document import Document, ReadRequest

_MODULE = "src.ingest.reader_child"
MAX_PROCESSES = max(min((os.cpu_count() or 1) - 1, 4), 1)


@dataclass(slots=True)
class Readers:
    """Children made when they are needed. `time_limit_s` is for one document."""

    max_processes: int = MAX_PROCESSES
    time_limit_s: float = 60.0
    _idle: list[Process] = field(default_factory=list)
    _leaving: list[Process] = field(default_factory=list)
    _slots: asyncio.Semaphore | None = None

    async def read(self, request: ReadRequest, body: bytes) -> tuple[Document, ...]:
        """The documents in `body`: one, or one for each of its parts.

        Raises:
            NeedsBrowser: it shows its text only with JavaScript.
            DocumentUnreadable: it has no text, is damaged, or no reader survives it within the time limit.
            DocumentTooLarge: it has too many pages or takes too much memory.
        """
        if self._slots is None:
            self._slots = asyncio.Semaphore(self.max_processes)
        async with self._slots:
            process = await self._process()
            whole = False
            try:
                head = await self._exchange(process, request, body)
                whole = True
            finally:
                # Also when the job is cancelled: a child in the middle of a document is of no use to the next one.
                if not whole:
                    self._leaving.append(process)
                    await self._let_go(process)
            self._idle.append(process)
        return frames.documents_of(head, request.url)

    async def close(self) -> None:
        """End all children, also those whose end was broken off by a cancellation. Call it while nothing is read."""
        self._leaving += self._idle
        self._idle.clear()
        while self._leaving:
            await self._let_go(self._leaving[-1])

    async def _let_go(self, process: Process) -> None:
        """End one that is leaving. It is known until then: a child that outlives the event loop cannot be closed."""
        await _end(process)
        self._leaving.remove(process)

    async def _process(self) -> Process:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "utf8", "-m", _MODULE),
            cwd=REPOSITORY / "python",
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
        )

    async def _exchange(self, process: Process, request: ReadRequest, body: bytes) -> frames.Head:
        context = ErrorContext(operation="read", url=request.url)
        try:
            async with asyncio.timeout(self.time_limit_s):
                return await _talk(process, frames.pack(frames.request_head(request), body))
        except TimeoutError as error:
            message = f"It could not be read within {self.time_limit_s:g} seconds."
            raise DocumentUnreadable(message, next_step="Split it into smaller parts.", context=context) from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise DocumentUnreadable("Reading it crashed the reader.", context=context) from error


async def _talk(process: Process, frame: bytes) -> frames.Head:
    if process.stdin is None or process.stdout is None:
        raise ConnectionError("the reader has no pipes")
    process.stdin.write(frame)
    await process.stdin.drain()
    sizes = await process.stdout.readexactly(frames.HEAD.size)
    head_size, body_size = frames.HEAD.unpack(sizes)
    head = frames.parse(await process.stdout.readexactly(head_size))
    await process.stdout.readexactly(body_size)
    return head


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    # To the end of its output, not only to its own: only then are its pipes closed.
    await process.communicate()
