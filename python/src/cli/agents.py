"""`archon agents`: the agents on a port of their own, for those who called v1's agents service."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from src.config import load_environment, reachable
from src.errors import ArchonError

if TYPE_CHECKING:
    from fastapi import FastAPI

app = typer.Typer()


@app.command("agents")
def agents(
    host: Annotated[str | None, typer.Option(help="Address to listen at; ARCHON_BIND unless given.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen at; ARCHON_AGENTS_PORT unless given.")] = None,
) -> None:
    """Run the agents service of Archon v1 until it is told to stop. Needs the server; nothing else needs it."""
    try:
        environment = load_environment()
        environment = replace(environment, host=host or environment.host, agents_port=port or environment.agents_port)
        # Loaded here: the other commands need no web server and do not wait for one.
        made: FastAPI = import_module("src.agents.server").create_app(environment)
    except ArchonError as error:
        typer.echo(f"{error.message}\n{error.next_step}", err=True)
        raise typer.Exit(1) from error
    bound = environment.host.strip("[]")
    typer.echo(f"Agents answer at http://{reachable(bound)}:{environment.agents_port}/agents/list", err=True)
    import_module("uvicorn").run(made, host=bound, port=environment.agents_port, log_level="warning")
