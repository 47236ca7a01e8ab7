"""A client of the configured server for one command; failures end it with their sentence and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from src.config import load_environment

from .output import plain, print_json
from .server_client import CallFailed, JsonObject, ServerAway, ServerClient, server_address

FAILED, AWAY, INTERRUPTED = 1, 3, 130
"""Exit codes beside 0 and click's 2: the work failed, no server answers, Ctrl-C."""
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def calling(as_json: bool) -> Iterator[ServerClient]:
    """The client. Raises typer.Exit for every failure of a call, after saying what it is."""
    try:
        environment = load_environment()
        with ServerClient(server_address(environment), environment.token) as client:
            yield client
    except CallFailed as failure:
        complain(failure.detail, as_json)
        raise typer.Exit(AWAY if isinstance(failure, ServerAway) else FAILED) from None
    except KeyboardInterrupt:
        err.print("\nInterrupted.")
        raise typer.Exit(INTERRUPTED) from None


def complain(detail: JsonObject, as_json: bool) -> None:
    """Say what went wrong and what to do."""
    if as_json:
        print_json({"detail": detail})
        return
    where = f" ({plain(str(detail['field']))})" if detail.get("field") else ""
    err.print(f"[red]{plain(str(detail.get('error')))}{where}[/red]")
    if detail.get("connection"):
        err.print(f"Connection: {plain(str(detail['connection']))}")
    if detail.get("next_step"):
        err.print(f"What to do: {plain(str(detail['next_step']))}")


def objects(value: object) -> list[JsonObject]:
    """The objects of a JSON list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
