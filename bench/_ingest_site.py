"""A documentation site made of docstrings, served by a process of its own."""

from __future__ import annotations

import asyncio
import html
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from search import docstrings

from src.cli.ports import free_port

PER_PAGE = 12


def write_site(folder: Path, chunks: int) -> None:
    """Pages of a dozen sections, about a chunk each, and a start page that links to all."""
    known = docstrings()
    texts = [f"{known[at % len(known)]}\n{known[(31 * at + 7) % len(known)]}" for at in range(chunks)]
    names = []
    for number, start in enumerate(range(0, len(texts), PER_PAGE)):
        parts = "".join(
            f"<h2>Entry {start + at}</h2><p>{html.escape(text)}</p>"
            for at, text in enumerate(texts[start : start + PER_PAGE])
        )
        names.append(f"page{number}.html")
        (folder / names[-1]).write_text(f"<title>Page {number}</title><main><h1>Page {number}</h1>{parts}</main>")
    links = "".join(f'<a href="{name}">{name}</a> ' for name in names)
    (folder / "index.html").write_text(f"<title>All</title><main><h1>All pages</h1><p>{links}</p></main>")


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """The folder as a site, from a process of its own; its address."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield f"http://127.0.0.1:{port}/index.html"
    finally:
        process.kill()
        await process.wait()
