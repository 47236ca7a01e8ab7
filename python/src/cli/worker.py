"""`archon worker`: crawls, reads, embeds and stores for a server, from this or from another machine."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop

from src.config import Environment, garbage, load_environment
from src.errors import ArchonError
from src.server.log import configure_logging

if TYPE_CHECKING:
    from src.ingest.service import IngestService

app = typer.Typer()


@app.command("worker")
def worker(
    jobs: Annotated[int, typer.Option(help="Jobs it works on at once.", min=1, max=32)] = 3,
) -> None:
    """Work on queued jobs, and share in those of other workers, until told to stop (SIGTERM, Ctrl-C).

    It needs the same database (DATABASE_URL or SUPABASE_URL) and the same ARCHON_SECRET_KEY as the server, and reaches
    the embedding server at the address that the settings name.
    """
    try:
        environment = load_environment()
        configure_logging(environment.log_level)
        uvloop.run(_run(environment, jobs))
    except ArchonError as error:
        sys.stderr.write(f"{error.message}\nWhat to do: {error.next_step}\n")
        raise typer.Exit(1) from None


async def _run(environment: Environment, jobs: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Loaded here: what crawls and reads documents is nothing that other commands wait for.
    open_worker: Callable[..., AbstractAsyncContextManager[IngestService]] = import_module(
        "src.server.ingest_room"
    ).open_worker
    async with open_worker(environment, max_jobs=jobs) as ingest:
        garbage.settle()
        sys.stderr.write(f"Worker {ingest.worker_name} is ready.\n")
        await stop.wait()
        sys.stderr.write("Stopping: what is under way goes back into the queue.\n")
