"""The process that reads what strangers wrote: pages, office files, books. Started by `reader.py`, one frame at a time.

A file that crashes a parser, loops or eats memory takes this process down and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from src.errors import ArchonError, DocumentTooLarge, DocumentUnreadable
from src.ingest import extract, frames

try:
    import resource
except ImportError:  # Windows has no limits to set; the time limit of the parent holds there too
    resource = None  # type: ignore[assignment]

MEMORY_BYTES = 2_000_000_000
"""Address space of this process: pdfium and Python map more than they use."""
_NICENESS = 5
"""A crawl reads for minutes on end; on a machine of few cores, people and model servers go first. No more than this:
the time limit goes by the clock, and a reader that hardly ever gets its turn would fail at good files."""


def main() -> None:
    """Answer frames from stdin on stdout until stdin closes."""
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(_NICENESS)
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    # A parser that prints must not write between the frames.
    sys.stdout = sys.stderr
    while (frame := frames.read_frame(stdin)) is not None:
        head, body = frame
        stdout.write(frames.pack(_answer(head, body)))
        stdout.flush()


def _answer(head: frames.Head, body: bytes) -> Mapping[str, object]:
    try:
        return frames.documents_head(extract.read(frames.request_of(head), body))
    except ArchonError as error:
        return frames.error_head(error)
    except MemoryError:
        return frames.error_head(DocumentTooLarge("Reading it takes more memory than a document may have."))
    except RecursionError:
        return frames.error_head(DocumentUnreadable("It is nested too deep to be read."))


if __name__ == "__main__":
    main()
